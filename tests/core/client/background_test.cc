#include "core/client/background.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using std::chrono::milliseconds;
using Time = BackgroundContext::Time;

std::ptrdiff_t threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

class InBackground : public FakeProcess, protected BackgroundContext {
 protected:
  InBackground() : background_(state, results, *this) {}
  void TearDown() override { background_.stop(); }

  // --- BackgroundContext
  bool look(Time) override {
    ++looks_;
    return more_;
  }
  Time expire(Time now) override {
    if (expires_++ == 0) first_expiry_ = now;
    last_expiry_ = now;
    return expires_ < 3 ? now + milliseconds(1) : Time::max();
  }
  bool parks() {
    return comes_true([&] { return background_.parked(); });
  }

  std::atomic<bool> more_{false};
  std::atomic<int> looks_{0}, expires_{0};
  std::atomic<Time> first_expiry_{}, last_expiry_{};
  Background background_;
};

TEST_F(InBackground, ThereIsNoThreadBeforeThereIsSomethingToDo) {
  const std::ptrdiff_t before = threads_of_this_process();
  Background background(state, results, *this);
  EXPECT_LE(threads_of_this_process(), before);
  EXPECT_TRUE(background.parked());
  EXPECT_EQ(looks_, 0);
  background.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ > 0; }));
  EXPECT_TRUE(comes_true([&] { return background.parked(); }));
}

TEST_F(InBackground, TheOwnerTicksWhileItIsBusyAndThenTheThreadSleeps) {
  owner::Entry* entry = submit(1);
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ >= 3; }));
  EXPECT_FALSE(background_.parked()) << "a worker is demanded";
  finish(*entry);
  EXPECT_TRUE(parks()) << "the demand is withdrawn after some ticks";
  EXPECT_EQ(locked([&] { return effects.demands.back().second; }), 0U);
  EXPECT_FALSE(locked([&] { return state.owner->busy(); }));
}

TEST_F(InBackground, ItIsCalledAgainWhileThereIsMoreToLookAt) {
  more_ = true;
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ >= 5; }));
  EXPECT_FALSE(background_.parked());
  more_ = false;
  EXPECT_TRUE(parks());
  const int looks = looks_;
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ > looks; })) << "it is woken again";
}

TEST_F(InBackground, AfterTheNodesEndItSleepsWhateverIsOpen) {
  more_ = true;
  locked([&] { state.node_gone = true; });
  background_.wake();
  EXPECT_TRUE(parks());
}

TEST_F(InBackground, CLIENT1_ResultsAreLeftToAThreadThatWaits) {
  state.waiters = 1;
  more_ = true;
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ >= 5; }));
  EXPECT_EQ(results.drains, 0);
  state.waiters = 0;
  EXPECT_TRUE(comes_true([&] { return results.drains > 0 && results.sleeps > 0; }));
}

TEST_F(InBackground, AResultThatRingsIsTakenInWhileNoThreadWaits) {
  owner::Entry* entry = submit(1);
  std::atomic<bool> there{false};
  results.on_drain = [&] {
    if (!there || entry->resolved) return false;
    finish_locked(*entry);
    return true;
  };
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return results.sleeps > 0; }));
  EXPECT_FALSE(entry->resolved);
  there = true;
  state.slot.replies.wake();
  EXPECT_TRUE(comes_true([&] { return entry->resolved.load(); }));
}

TEST_F(InBackground, WhatIsDueLaterIsDoneInTimeWhileItSleeps) {
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return expires_ >= 3; }));
  EXPECT_TRUE(background_.parked());
  EXPECT_GE(last_expiry_.load() - first_expiry_.load(), milliseconds(2));
  EXPECT_EQ(expires_, 3) << "not before the next wake";
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return expires_ >= 4; }));
}

TEST_F(InBackground, AfterStopItDoesNothing) {
  more_ = true;
  background_.wake();
  EXPECT_TRUE(comes_true([&] { return looks_ > 0; }));
  background_.stop();
  const int looks = looks_;
  background_.wake();
  background_.stop();  // returns when a thread that runs nevertheless has ended
  EXPECT_EQ(looks_, looks);
}

TEST_F(InBackground, AThreadThatSleepsIsStoppedToo) {
  background_.wake();
  EXPECT_TRUE(parks());
  background_.stop();
  const int looks = looks_;
  background_.wake();
  EXPECT_TRUE(background_.parked());
  EXPECT_EQ(looks_, looks);
}

}  // namespace
}  // namespace manta::client
