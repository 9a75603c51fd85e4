// What a process wants and is not given: when that is to be said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The number of tasks or actors in each line that is due.
std::vector<std::uint64_t> due(UnmetDemand& unmet, RecordedOwner& o, Time now) {
  std::vector<std::uint64_t> waiting;
  for (const UnmetDemand::Line& line : unmet.look(o.owner().unmet(), now)) waiting.push_back(line.waiting);
  return waiting;
}

TEST(UnmetDemand, TenThousandTasksMakeALineAfterTwoSecondsAndThenOneInThirty) {
  RecordedOwner o;
  UnmetDemand unmet;
  std::vector<Entry*> tasks;
  for (int i = 0; i < 10'000; ++i) tasks.push_back(o.submit(static_cast<std::uint64_t>(i)));
  EXPECT_THAT(due(unmet, o, 0ms), IsEmpty());
  EXPECT_TRUE(unmet.any());
  EXPECT_THAT(due(unmet, o, 1999ms), IsEmpty());
  EXPECT_THAT(due(unmet, o, 2000ms), ElementsAre(10'000));
  for (auto at = 2100ms; at < 32'000ms; at += 100ms) ASSERT_THAT(due(unmet, o, at), IsEmpty());
  EXPECT_THAT(due(unmet, o, 32'000ms), ElementsAre(10'000));
  for (Entry* task : tasks) o.drop(task);
}

TEST(UnmetDemand, TasksThatAreDonePutTheLineOff) {
  RecordedOwner o;
  UnmetDemand unmet;
  std::vector<Entry*> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(o.submit(static_cast<std::uint64_t>(i)));
  o.grant(1);
  for (auto at = 0ms; at < 10'000ms; at += 1000ms) {
    EXPECT_THAT(due(unmet, o, at), IsEmpty());
    o.finish(o.start(1));
  }
  EXPECT_THAT(due(unmet, o, 10'000ms), IsEmpty());
  EXPECT_THAT(due(unmet, o, 12'000ms), ElementsAre(9)) << "one is at the front of the ring, nine are behind it";
  o.run_all(1);
  EXPECT_THAT(due(unmet, o, 60'000ms), IsEmpty());
  EXPECT_FALSE(unmet.any());
  for (Entry* task : tasks) o.drop(task);
}

TEST(UnmetDemand, ActorsWithEqualRequestsMakeOneLine) {
  RecordedOwner o;
  UnmetDemand unmet;
  std::vector<Entry*> handles{o.create(1), o.create(2)};
  NewActor other = o.actor(3);
  other.request = cpus(2);
  handles.push_back(o.create(std::move(other)));
  EXPECT_THAT(due(unmet, o, 0ms), IsEmpty());
  handles.push_back(o.create(4));
  EXPECT_THAT(due(unmet, o, 1500ms), IsEmpty());
  EXPECT_THAT(due(unmet, o, 2000ms), ElementsAre(3, 1));
  EXPECT_THAT(due(unmet, o, 4000ms), IsEmpty());
  for (Entry* handle : handles) o.drop(handle);
  EXPECT_THAT(due(unmet, o, 60'000ms), IsEmpty());
}

TEST(UnmetDemand, TheObstacleOfAnEntryIsWhatItsArgumentsWaitFor) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  NewTask second = o.task(2);
  second.references = {first};
  second.ref_mask = 1;
  Entry* entry = o.submit(std::move(second));
  const Obstacle obstacle = o.owner().obstacle(*entry);
  EXPECT_EQ(obstacle.demand, std::optional<DemandIndex>(0));
  Entry* handle = o.create(3);
  Entry* call = o.call_method(handle, 4);
  EXPECT_EQ(o.owner().obstacle(*call).demand, std::optional<DemandIndex>(kFirstActor));
  for (Entry* e : {first, entry, call, handle}) o.drop(e);
}

}  // namespace
}  // namespace manta::owner
