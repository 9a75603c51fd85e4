// Owner: tasks and calls that are cancelled, in each phase (OWN-14).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ClientId kOther{5};
const Cancellation kPlain{false, true, "the test"};
const Cancellation kForce{true, true, "the test"};

void cancel(RecordedOwner& o, Entry* entry, const Cancellation& how = kPlain) {
  const auto done = o.call([&] { return o.owner().cancelling().cancel(*entry, how); });
  EXPECT_TRUE(done) << done.error().message();
}

TEST(OwnerCancel, QueuedTaskNeverStarts) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  Entry* second = o.submit(2);
  cancel(o, first);
  EXPECT_EQ(content(*first), "error cancelled");
  EXPECT_THAT(first->value.error().message(),
              AllOf(HasSubstr("was cancelled by the test"), HasSubstr("before it started")));
  EXPECT_THAT(o.grant(1).unstarted(), ElementsAre(2));
  cancel(o, first);  // again
  o.drop(first);
  o.finish(o.start(1));
  o.drop(second);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerCancel, WaitingTaskFailsAndItsDependentsWithIt) {
  RecordedOwner o;
  o.grant(1);
  Entry* argument = o.submit(1);
  NewTask task = o.task(2);
  task.references = {argument};
  Entry* waiting = o.submit(std::move(task));
  NewTask last = o.task(3);
  last.references = {waiting};
  Entry* behind = o.submit(std::move(last));
  cancel(o, waiting);
  EXPECT_EQ(content(*waiting), "error cancelled");
  EXPECT_EQ(content(*behind), "error cancelled");
  EXPECT_EQ(content(*argument), "open");
  o.tick();
  o.run_all(0 + 1);
}

TEST(OwnerCancel, UnstartedTaskIsTakenOutOfItsRing) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  Entry* second = o.submit(2);
  Entry* third = o.submit(3);
  FakeRing& ring = o.grant(1);
  ASSERT_EQ(o.start(1), first);
  o.log();
  cancel(o, second);
  EXPECT_EQ(content(*second), "error cancelled");
  EXPECT_THAT(ring.unstarted(), ElementsAre(3));
  EXPECT_THAT(o.log(), ElementsAre("resolved 2"));
  o.finish(first);
  o.run_all(1);
  EXPECT_EQ(content(*third), "value done");
}

TEST(OwnerCancel, AStartedTaskIsStoppedAndEndsAsCancelled) {
  RecordedOwner o;
  NewTask task = o.task(1);
  task.retry_exceptions = true;
  Entry* entry = o.submit(std::move(task));
  o.grant(1);
  o.start(1);
  o.log();
  cancel(o, entry);
  EXPECT_THAT(o.log(), ElementsAre("stop 1 in 101, with its children"));
  EXPECT_EQ(content(*entry), "open");
  cancel(o, entry);
  EXPECT_THAT(o.log(), IsEmpty()) << "it has the message already";
  o.finish(entry, throws());
  EXPECT_EQ(content(*entry), "error cancelled");
  EXPECT_THAT(o.start(1), nullptr) << "it is not repeated";
}

TEST(OwnerCancel, AValueCounts) {
  RecordedOwner o;
  Entry* entry = o.submit(1);
  o.grant(1);
  o.start(1);
  cancel(o, entry, {false, false, "the test"});
  EXPECT_THAT(o.log(), Contains("stop 1 in 101"));
  o.finish(entry, returns("late"));
  EXPECT_EQ(content(*entry), "value late");
}

TEST(OwnerCancel, AWorkersDeathEndsItWithoutAnotherAttempt) {
  RecordedOwner o;
  Entry* entry = o.submit(1);
  Entry* behind = o.submit(2);
  o.grant(1);
  o.start(1);
  cancel(o, entry);
  o.worker_died(1);
  EXPECT_EQ(content(*entry), "error cancelled");
  EXPECT_EQ(behind->attempt, 0);
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(2));
}

TEST(OwnerCancel, ByForceTheOthersLeaveTheWorkerFirst) {
  RecordedOwner o({.force_ticks = 3});
  Entry* entry = o.submit(1);
  Entry* behind = o.submit(2);
  FakeRing& ring = o.grant(1);
  o.start(1);
  o.log();
  cancel(o, entry, kForce);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, with its children, by force"));
  o.submit(3);
  EXPECT_THAT(ring.unstarted(), IsEmpty()) << "nothing more goes there";
  o.tick(2);
  EXPECT_THAT(o.log(), Not(Contains("kill worker of 1")));
  o.tick();
  EXPECT_THAT(o.log(), Contains("kill worker of 1")) << "it has not ended by itself";
  o.worker_died(1);
  EXPECT_EQ(content(*entry), "error cancelled");
  EXPECT_EQ(behind->attempt, 0);
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(2, 3));
  EXPECT_FALSE(o.log().empty());
}

TEST(OwnerCancel, ByForceAfterItWasOnlyAsked) {
  RecordedOwner o({.force_ticks = 1});
  Entry* entry = o.submit(1);
  o.grant(1);
  o.start(1);
  cancel(o, entry);
  o.log();
  cancel(o, entry, kForce);
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, with its children, by force"));
  o.finish(entry, returns("in time"));  // and the lease goes back
  EXPECT_THAT(o.log(), Contains("return 1"));
  o.tick(5);
  EXPECT_THAT(o.log(), Not(Contains("kill worker of 1")));
  o.drop(entry);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerCancel, WhatRunsHereIsOnlyAsked) {
  RecordedOwner o;
  Entry* entry = o.submit(1);
  ASSERT_TRUE(o.call([&] { return o.owner().leases().claim(*entry); }));
  o.log();
  cancel(o, entry, kForce);
  EXPECT_THAT(o.log(), ElementsAre("stop 1 in 1, with its children"));
  o.finish(entry, throws());
  EXPECT_EQ(content(*entry), "error cancelled");
}

// A worker elsewhere says later whether it had started.
TEST(OwnerCancel, WhatComesBackEndsThere) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  Entry* second = o.submit(2);
  FakeRing& ring = o.grant(1);
  ring.answers_later = true;
  cancel(o, second);
  EXPECT_THAT(o.log(), Contains("stop 2 in 101, with its children"));
  EXPECT_EQ(content(*second), "open");
  ring.answers_later = false;
  ASSERT_TRUE(ring.take_back(*second));
  o.call([&] { o.owner().leases().came_back(*second); });
  EXPECT_EQ(content(*second), "error cancelled");
  EXPECT_THAT(ring.unstarted(), ElementsAre(1));
  o.finish(o.start(1));
  EXPECT_EQ(content(*first), "value done");
}

TEST(OwnerCancel, OfALostWorkerThatDidNotSay) {
  RecordedOwner o;
  o.submit(1);
  Entry* second = o.submit(2);
  FakeRing& ring = o.grant(1);
  ring.answers_later = true;
  cancel(o, second);
  ring.answers_later = false;
  o.worker_died(1);
  EXPECT_EQ(content(*second), "error cancelled");
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(1));
}

TEST(OwnerCancel, WhatIsThereStays) {
  RecordedOwner o;
  Entry* value = o.put(1);
  cancel(o, value);
  EXPECT_EQ(content(*value), "value put");
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerCancel, OfABorrowedOneIsItsOwnersBusiness) {
  RecordedOwner o;
  Entry* borrowed = o.borrow(7, kOther);
  cancel(o, borrowed, kForce);
  EXPECT_THAT(o.log(), ElementsAre("to 5: cancel 7"));
  o.call([&] { o.owner().client_died(kOther, "was killed"); });
  o.log();
  cancel(o, borrowed);
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerCancel, ABorrowersRequestIsDone) {
  RecordedOwner o;
  Entry* entry = o.submit(1);
  o.call([&] { o.owner().borrowing().add_borrower(*entry, kOther); });
  o.receive(kOther, CancelTask{object(1), {false, true, "another process"}});
  EXPECT_EQ(content(*entry), "error cancelled");
  EXPECT_THAT(entry->value.error().message(), HasSubstr("by another process"));
  o.receive(kOther, CancelTask{object(99), {}});  // OWN-6
}

TEST(OwnerCancel, ChildrenAreFoundByTheirNames) {
  RecordedOwner o;
  const TaskId parent{8, 9};
  std::vector<Entry*> children;
  for (std::uint64_t n = 0; n < 4; ++n) {
    NewTask task = o.task(1);
    task.id = parent.child(n);
    children.push_back(o.submit(std::move(task)));
  }
  Entry* other = o.submit(77);
  o.call([&] { o.owner().cancelling().cancel_children(parent, 3, kPlain); });
  EXPECT_EQ(content(*children[0]), "error cancelled");
  EXPECT_EQ(content(*children[2]), "error cancelled");
  EXPECT_EQ(content(*children[3]), "open");
  EXPECT_EQ(content(*other), "open");
}

// --- calls

struct OwnerCancelCall : ::testing::Test {
  OwnerCancelCall() : handle(o.create(100)), ring(o.grant_actor(1)) {
    o.finish(o.start(1));
    for (std::uint64_t n = 1; n <= 4; ++n) calls.push_back(o.call_method(handle, n));
  }
  RecordedOwner o;
  Entry* handle;
  FakeRing& ring;
  std::vector<Entry*> calls;
};

// OWN-10
TEST_F(OwnerCancelCall, OneOfManyIsTakenOutAndTheOthersKeepTheirOrder) {
  cancel(o, calls[1]);
  EXPECT_EQ(content(*calls[1]), "error cancelled");
  EXPECT_THAT(ring.unstarted(), ElementsAre(1, 3, 4));
}

TEST_F(OwnerCancelCall, ARunningOneIsStoppedAndTheActorLivesOn) {
  o.start(1);
  o.log();
  cancel(o, calls[0]);
  EXPECT_THAT(o.log(), ElementsAre("stop 1 in 101, with its children"));
  o.finish(calls[0], throws());
  EXPECT_EQ(content(*calls[0]), "error cancelled");
  o.run_all(1);
  EXPECT_EQ(content(*calls[3]), "value done");
}

TEST_F(OwnerCancelCall, NoForce) {
  const auto done = o.call([&] { return o.owner().cancelling().cancel(*calls[0], kForce); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(content(*calls[0]), "open");
  EXPECT_FALSE(o.call([&] { return o.owner().cancelling().cancel(*handle, kPlain); }));
  o.call([&] { o.owner().borrowing().add_borrower(*calls[2], kOther); });
  o.receive(kOther, CancelTask{object(3), kForce});  // the borrower could not know that it is a call
  EXPECT_EQ(content(*calls[2]), "error cancelled");
}

TEST_F(OwnerCancelCall, IsNotRepeatedInTheActorsNextLife) {
  RecordedOwner other;
  Entry* actor = other.create(100, {.max_restarts = 1, .max_task_retries = 3});
  other.grant_actor(1);
  other.finish(other.start(1));
  Entry* first = other.call_method(actor, 1);
  Entry* second = other.call_method(actor, 2);
  other.start(1);
  cancel(other, first);
  other.worker_died(1);
  EXPECT_EQ(content(*first), "error cancelled");
  other.grant_actor(2);
  other.finish(other.start(2));
  other.run_all(2);
  EXPECT_EQ(content(*second), "value done");
}

TEST_F(OwnerCancelCall, OneThatWaitsForAnArgumentLetsThoseBehindGo) {
  Entry* argument = o.submit(50);
  NewTask task = o.task(5);
  task.references = {argument};
  Entry* waiting = o.call_method(handle, std::move(task));
  Entry* behind = o.call_method(handle, 6);
  EXPECT_THAT(ring.unstarted(), ElementsAre(1, 2, 3, 4));
  cancel(o, waiting);
  EXPECT_THAT(ring.unstarted(), ElementsAre(1, 2, 3, 4, 6));
  EXPECT_EQ(content(*behind), "open");
}

}  // namespace
}  // namespace manta::owner
