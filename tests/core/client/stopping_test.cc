#include "core/client/stopping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const TaskId kTask = object(50);
constexpr ClientId kSubmitter = kOther;

class StopTest : public FakeProcess, protected StopContext, protected StopEffects {
 protected:
  StopTest() : stopping_(state, results, *this), place_(stopping_.add_thread()) {
    context_.id = kTask;
    context_.running = &place_;
  }

  // --- StopContext, StopEffects
  void wake_background() override { ++wakes_; }
  bool take_back_task(ClientId submitter, const TaskId& task) override {
    return submitter == kSubmitter && task == waits_here_;
  }
  void suspended_stopped() override { ++suspended_stopped_; }

  // The task begins in this thread; its token.
  std::stop_token begin(const TaskId& id = kTask) {
    place_.begin(id, kSubmitter);
    current_task() = &context_;
    return stopping_.token();
  }
  void stop(const TaskId& task = kTask, ClientId submitter = kSubmitter, bool recursive = false) {
    stopping_.stop(submitter, {task, {false, recursive, "process 7"}}, *this);
  }

  int wakes_ = 0, suspended_stopped_ = 0;
  TaskId waits_here_;
  Stopping stopping_;
  RunningTask& place_;
  TaskContext context_;
};

// --- what runs here

TEST_F(StopTest, TheTokenOfTheTaskThatRunsIsStopped) {
  const std::stop_token token = begin();
  EXPECT_TRUE(token.stop_possible());
  EXPECT_FALSE(context_.stopped());
  bool called = false;
  const std::stop_callback callback(token, [&] { called = true; });
  const std::uint32_t rings = state.slot.replies.rings;
  stop();
  EXPECT_TRUE(token.stop_requested() && called);
  EXPECT_TRUE(context_.stopped());
  EXPECT_GT(state.slot.replies.rings, rings) << "it may wait";
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(suspended_stopped_, 0);
}

TEST_F(StopTest, ATokenThatIsAskedForAfterTheStopIsStopped) {
  place_.begin(kTask, kSubmitter);
  current_task() = &context_;
  stop();
  EXPECT_TRUE(stopping_.token().stop_requested());
}

TEST_F(StopTest, OutsideOfTasksNoStopIsPossible) {
  EXPECT_FALSE(stopping_.token().stop_possible());
  context_.running = nullptr;
  current_task() = &context_;
  EXPECT_FALSE(stopping_.token().stop_possible());
}

TEST_F(StopTest, ATaskThatIsSentBackIsNotStopped) {
  const std::stop_token token = begin();
  waits_here_ = kTask;
  stop();
  EXPECT_FALSE(token.stop_requested());
  EXPECT_EQ(wakes_, 0);
}

TEST_F(StopTest, ARequestOfAnotherSubmitterIsForAnotherTask) {
  const std::stop_token token = begin();
  stop(kTask, kFarOwner);
  stop(object(51));
  EXPECT_FALSE(token.stop_requested());
}

TEST_F(StopTest, STOP2_ALateRequestReachesNoLaterRun) {
  begin();
  place_.idle();
  stop();
  EXPECT_EQ(wakes_, 0) << "it has ended";
  stopping_.drop_source(place_);
  const std::stop_token token = begin();
  EXPECT_FALSE(token.stop_requested());
  EXPECT_FALSE(context_.stopped());
  stop();
  EXPECT_TRUE(token.stop_requested());
  place_.idle();
  stopping_.drop_source(place_);
  EXPECT_FALSE(begin().stop_requested()) << "the same id runs again";
}

TEST_F(StopTest, STOP1_ARequestWaitsForATaskThatIsBeingClaimed) {
  place_.looking();
  auto stopped = std::async(std::launch::async, [&] { stop(); });
  place_.begin(kTask, kSubmitter);
  stopped.get();
  EXPECT_TRUE(context_.stopped());
}

TEST_F(StopTest, ACallThatWaitsInACoroutineIsStoppedThere) {
  const std::stop_token token = begin();
  RunningTask suspended(RunningTask::Place::coroutine);
  stopping_.keep(suspended, place_);
  place_.begin(object(51), kSubmitter);  // the thread goes on
  stop();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(suspended.stopped());
  EXPECT_FALSE(context_.stopped());
  EXPECT_EQ(suspended_stopped_, 1);
  stopping_.ended(suspended);
  stop();
  EXPECT_EQ(suspended_stopped_, 1) << "it has ended";
}

TEST_F(StopTest, AStopBeforeTheCallWaitsGoesWithIt) {
  begin();
  stop();
  RunningTask suspended(RunningTask::Place::coroutine);
  stopping_.keep(suspended, place_);
  EXPECT_TRUE(suspended.stopped());
  stopping_.ended(suspended);
}

TEST_F(StopTest, ATaskOnTheStackOfAnotherIsFoundWhileItRuns) {
  begin();
  RunningTask inner(RunningTask::Place::stack);
  inner.begin(object(51), kSelf);
  locked([&] { stopping_.enter(inner); });
  stop(object(51), kSelf);
  EXPECT_TRUE(inner.stopped());
  EXPECT_FALSE(context_.stopped());
  locked([&] { stopping_.leave(inner); });
  inner.begin(object(51), kSelf);
  stop(object(51), kSelf);
  EXPECT_FALSE(inner.stopped());
}

// --- what the task has submitted

TEST_F(StopTest, ARecursiveStopCancelsWhatTheTaskHasSubmitted) {
  begin();
  owner::NewTask made = task(1);
  made.id = locked([&] { return context_.next_child(); });
  owner::Entry* child = submit(std::move(made));
  owner::Entry* other = submit(2);
  stop(kTask, kSubmitter, false);
  EXPECT_FALSE(child->resolved);
  stop(kTask, kSubmitter, true);
  ASSERT_TRUE(child->resolved);
  EXPECT_EQ(child->value.error().code(), ErrorCode::cancelled);
  EXPECT_THAT(child->value.error().message(), HasSubstr("process 7, with the task that had submitted it,"));
  EXPECT_FALSE(other->resolved);
}

TEST_F(StopTest, WhatWasSubmittedAfterTheStopIsCancelledAtTheEnd) {
  begin();
  stop(kTask, kSubmitter, true);
  owner::NewTask made = task(1);
  made.id = locked([&] { return context_.next_child(); });
  owner::Entry* child = submit(std::move(made));
  stopping_.stopped_ended(context_, false);
  EXPECT_FALSE(child->resolved) << "the task has returned a value";
  stopping_.stopped_ended(context_, true);
  EXPECT_TRUE(child->resolved);
}

// --- what this process has submitted

TEST_F(StopTest, ATaskThatWaitsIsCancelledAtOnce) {
  owner::Entry* entry = submit(1);
  state.waiters = 1;
  const std::uint32_t rings = state.slot.replies.rings;
  stopping_.cancel(*entry, false, true);
  ASSERT_TRUE(entry->resolved);
  EXPECT_EQ(entry->value.error().code(), ErrorCode::cancelled);
  EXPECT_THAT(entry->value.error().message(),
              AllOf(HasSubstr("process " + std::to_string(::getpid()) + " on here"), HasSubstr("before it started")));
  EXPECT_EQ(results.drains, 1);
  EXPECT_GT(state.slot.replies.rings, rings) << "CLIENT-2: this thread has drained for those that wait";
  EXPECT_EQ(wakes_, 1);
  state.waiters = 0;
}

TEST_F(StopTest, WhatIsThereIsNotCancelled) {
  owner::Entry* entry = put(1, bytes_of("value"));
  stopping_.cancel(*entry, true, true);
  EXPECT_FALSE(entry->value.failed());
  EXPECT_EQ(wakes_, 0);
}

TEST_F(StopTest, AnActorIsNotCancelled) {
  owner::Entry* actor = create_actor(1);
  const Error error = error_of([&] { stopping_.cancel(*actor, false, true); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("manta::kill"));
}

TEST_F(StopTest, TheOwnerOfABorrowedObjectCancelsItsTask) {
  owner::Entry* entry = borrow(1);
  const InTask in_task(object(9));
  stopping_.cancel(*entry, true, false);
  ASSERT_THAT(effects.sent, SizeIs(1));
  EXPECT_EQ(effects.sent[0].first, kOther);
  const auto& message = std::get<owner::CancelTask>(effects.sent[0].second);
  EXPECT_TRUE(message.how.force);
  EXPECT_FALSE(message.how.recursive);
  EXPECT_THAT(message.how.by, HasSubstr("a task in process "));
}

}  // namespace
}  // namespace manta::client
