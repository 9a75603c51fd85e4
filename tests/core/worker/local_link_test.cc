#include "core/worker/local_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/worker/local_worker.h"

namespace manta::worker {
namespace {

using owner::Entry;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two workers, of which only the addresses are used.
struct LocalLinkTest : ::testing::Test {
  LocalWorker& worker(std::size_t n) { return *reinterpret_cast<LocalWorker*>(&places[n]); }
  // What waits, by worker and entry: the number of the first and the index of the second.
  std::vector<std::pair<int, int>> waiting() {
    std::vector<std::pair<int, int>> all;
    for (const LocalItem& item : queue)
      all.emplace_back(item.to == &worker(0) ? 0 : 1,
                       item.task == nullptr ? -1 : static_cast<int>(item.task - entries));
    return all;
  }
  using P = std::pair<int, int>;

  std::uint64_t places[2] = {};
  LocalQueue queue;
  Entry entries[4];
  net::Doorbell bell;
  LocalLink a{queue, worker(0), bell}, b{queue, worker(1), bell};
};

TEST_F(LocalLinkTest, AllWorkersTasksStayInTheOrderInWhichTheyCame) {
  EXPECT_TRUE(a.push(entries[0]));
  EXPECT_TRUE(b.push(entries[1]));
  EXPECT_TRUE(a.push(entries[2]));
  EXPECT_TRUE(a.push_end());
  EXPECT_THAT(waiting(), ElementsAre(P{0, 0}, P{1, 1}, P{0, 2}, P{0, -1}));
}

TEST_F(LocalLinkTest, TakesBackItsNewestTaskButNoEnd) {
  a.push(entries[0]);
  a.push(entries[1]);
  a.push_end();
  b.push(entries[2]);
  EXPECT_EQ(a.take_back_last(), &entries[1]);
  EXPECT_EQ(a.take_back_last(), &entries[0]);
  EXPECT_EQ(a.take_back_last(), nullptr);
  EXPECT_THAT(waiting(), ElementsAre(P{0, -1}, P{1, 2}));
}

TEST_F(LocalLinkTest, TakesBackATaskThatHasNotStarted) {
  a.push(entries[0]);
  a.push(entries[1]);
  EXPECT_TRUE(a.take_back(entries[0]));
  EXPECT_FALSE(a.take_back(entries[0]));
  EXPECT_THAT(waiting(), ElementsAre(P{0, 1}));
}

TEST_F(LocalLinkTest, ALostWorkerNamesWhatItRanAndTakesNothingMore) {
  a.started(entries[0]);
  a.started(entries[1]);
  EXPECT_EQ(a.next_lost(), &entries[0]);
  EXPECT_EQ(a.next_lost(), &entries[1]);
  EXPECT_EQ(a.next_lost(), nullptr);
  EXPECT_FALSE(a.push(entries[2]));
  EXPECT_FALSE(a.finished(entries[0])) << "the task goes on, but its result is not the worker's any more";
}

TEST_F(LocalLinkTest, AWorkerThatEndsTakesNothingMoreAndKeepsWhatItRuns) {
  a.started(entries[0]);
  a.push(entries[1]);
  a.lose();
  EXPECT_FALSE(a.push(entries[2]));
  EXPECT_THAT(waiting(), ElementsAre(P{0, 1})) << "the owner takes it back";
  EXPECT_TRUE(a.finished(entries[0]));
}

TEST_F(LocalLinkTest, RingsTheThreadsThatSleep) {
  const std::uint32_t seen = bell.rings;
  a.push(entries[0]);
  EXPECT_NE(bell.rings, seen);
  const std::uint32_t then = bell.rings;
  a.push_end();
  EXPECT_NE(bell.rings, then);
}

TEST_F(LocalLinkTest, WhatWaitsGoesWithTheWorker) {
  a.push(entries[0]);
  b.push(entries[1]);
  a.push_end();
  a.clear();
  EXPECT_THAT(waiting(), ElementsAre(P{1, 1}));
}

TEST_F(LocalLinkTest, TheEndOfATaskIsReportedOnceAndForItsStandIn) {
  a.started(entries[0]);
  a.replace(entries[0], entries[1]);
  EXPECT_FALSE(a.finished(entries[0]));
  EXPECT_TRUE(a.finished(entries[1]));
  EXPECT_FALSE(a.finished(entries[1]));
  std::vector<Entry*> running;
  a.running(running);
  EXPECT_THAT(running, IsEmpty()) << "time limits do not apply";
}

}  // namespace
}  // namespace manta::worker
