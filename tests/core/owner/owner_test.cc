// Owner: how tasks end. (dispatch_test: where they run; references_test: what lives how long; borrowing_test: others.)
#include "core/owner/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

NewTask with_references(NewTask task, std::vector<Entry*> references) {
  task.references = std::move(references);
  return task;
}

// OWN-1, OWN-3
TEST(OwnerTasks, ResolveOnceAndAreFreedWithTheirLastReference) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  EXPECT_THAT(o.log(), ElementsAre("demand 1"));
  o.grant(1);
  EXPECT_EQ(o.start(1), task);
  EXPECT_EQ(content(*task), "open");
  o.finish(task, returns("42"));
  EXPECT_EQ(content(*task), "value 42");
  EXPECT_THAT(o.log(), ElementsAre("resolved 1"));
  EXPECT_EQ(o.owner().tasks().unfinished(), 0U);
  o.drop(task);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerTasks, RunEvenIfNoRefIsKept) {
  RecordedOwner o;
  o.drop(o.submit(1));
  EXPECT_THAT(o.grant(1).unstarted(), ElementsAre(1));
  o.run_all(1);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerTasks, WaitForTheirReferences) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  Entry* second = o.submit(with_references(o.task(2), {first}));
  const FakeRing& ring = o.grant(1);
  EXPECT_THAT(ring.unstarted(), ElementsAre(1));
  o.finish(o.start(1));
  EXPECT_THAT(ring.unstarted(), ElementsAre(2));
  o.run_all(1);
  EXPECT_EQ(content(*second), "value done");
}

TEST(OwnerTasks, FailWithoutRunningIfAReferenceFailed) {
  RecordedOwner o;
  Entry* first = o.submit(1);
  Entry* second = o.submit(with_references(o.task(2), {first}));
  Entry* third = o.submit(with_references(o.task(3), {second, first}));
  const FakeRing& ring = o.grant(1);
  o.finish(o.start(1), throws());
  EXPECT_EQ(content(*second), "error task_failed");
  EXPECT_EQ(content(*third), "error task_failed");
  const Entry* late = o.submit(with_references(o.task(4), {third}));
  EXPECT_EQ(content(*late), "error task_failed");
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  EXPECT_EQ(o.owner().tasks().unfinished(), 0U);
}

// As a recursion it would overflow the stack.
TEST(OwnerTasks, LongChainsFailTogether) {
  constexpr std::uint64_t kLength = 100'000;
  RecordedOwner o;
  std::vector<Entry*> chain{o.submit(1)};
  for (std::uint64_t n = 2; n <= kLength; ++n) {
    chain.push_back(o.owner().tasks().submit(with_references(o.task(n), {chain.back()})));
  }
  o.grant(1);
  o.finish(o.start(1), throws());
  EXPECT_EQ(content(*chain.back()), "error task_failed");
  for (Entry* entry : chain) {
    if (entry->refs.fetch_sub(1) == 1) o.owner().objects().release_last(*entry);
  }
  EXPECT_EQ(o.live(), 0U);
}

// OWN-2
TEST(OwnerTasks, OnlyStartedAttemptsCountWhenAWorkerDies) {
  RecordedOwner o;
  const Entry* started = o.submit(o.task(1, 1));
  const Entry* unstarted = o.submit(o.task(2, 0));
  o.submit(o.task(3, 0));
  o.grant(1);
  o.start(1);
  o.worker_died(1);
  EXPECT_EQ(started->attempt, 1U);
  EXPECT_EQ(unstarted->attempt, 0U);
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(1, 2, 3)) << "in their order";
  o.run_all(2);
  EXPECT_EQ(content(*started), "value done");
  EXPECT_EQ(content(*unstarted), "value done");
}

// OWN-2, whether a thread waits for the task or not
TEST(OwnerTasks, FailWhenTheLastAttemptIsLost) {
  RecordedOwner o;
  Entry* task = o.submit(o.task(1, 1));
  o.owner().tasks().want(*task);
  for (const std::uint64_t lease : {1, 2}) {
    EXPECT_EQ(content(*task), "open");
    o.grant(lease);
    ASSERT_EQ(o.start(lease), task);
    o.worker_died(lease);
  }
  ASSERT_EQ(content(*task), "error worker_died");
  EXPECT_THAT(task->value.error().message(), HasSubstr("attempt 2 of 2"));
  EXPECT_THAT(task->value.error().message(), HasSubstr("was killed"));
}

// OWN-2
TEST(OwnerTasks, WhatWasFinishedBeforeTheDeathCounts) {
  RecordedOwner o;
  const Entry* finished = o.submit(o.task(1, 0));
  const Entry* running = o.submit(o.task(2, 0));
  o.grant(1);
  o.finish(o.start(1));
  o.start(1);
  o.worker_died(1);
  EXPECT_EQ(content(*finished), "value done");
  EXPECT_EQ(content(*running), "error worker_died");
}

TEST(OwnerTasks, ExceptionsAreFinalUnlessRetriesWereAskedFor) {
  RecordedOwner o;
  const Entry* once = o.submit(o.task(1, 2));
  NewTask patient = o.task(2, 2);
  patient.retry_exceptions = true;
  const Entry* thrice = o.submit(std::move(patient));
  o.grant(1);
  o.finish(o.start(1), throws());
  EXPECT_EQ(content(*once), "error task_failed");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(content(*thrice), "open") << "before attempt " << attempt;
    o.finish(o.start(1), throws());
  }
  EXPECT_EQ(content(*thrice), "error task_failed");
}

TEST(OwnerTasks, MinusOneRetriesForEver) {
  RecordedOwner o;
  NewTask stubborn = o.task(1, -1);
  stubborn.retry_exceptions = true;
  const Entry* task = o.submit(std::move(stubborn));
  for (std::uint64_t lease = 1; lease <= 20; ++lease) {
    o.grant(lease);
    o.finish(o.start(lease), throws());
    o.start(lease);
    o.worker_died(lease);
  }
  EXPECT_EQ(content(*task), "open");
  EXPECT_EQ(task->attempt, 40U);
  o.grant(21);
  o.run_all(21);
  EXPECT_EQ(content(*task), "value done");
}

TEST(OwnerTasks, InfeasibleOnesFailAndTheDemandIsWithdrawn) {
  RecordedOwner o;
  const Entry* task = o.submit(1);
  o.submit(2);
  o.log();
  o.call([&] { o.owner().infeasible(0, "no node has so many CPUs"); });
  EXPECT_THAT(o.log(), ElementsAre("demand 0", "resolved 1", "resolved 2"));
  ASSERT_EQ(content(*task), "error invalid_argument");
  EXPECT_THAT(task->value.error().message(), HasSubstr("no node has so many CPUs"));
  o.submit(3);
  EXPECT_THAT(o.log(), ElementsAre("demand 1")) << "a node may have joined";
}

// OWN-1
TEST(OwnerTasks, AllThatIsOpenFailsWithTheNode) {
  RecordedOwner o;
  Entry* running = o.submit(1);
  const Entry* unstarted = o.submit(2);
  const Entry* waiting = o.submit(with_references(o.task(3), {running}));
  o.grant(1);
  o.start(1);
  const ShapeIndex other = o.owner().leases().shape_of(cpus(2));
  NewTask task = o.task(4);
  task.shape = other;
  const Entry* queued = o.submit(std::move(task));
  const Entry* borrowed = o.borrow(5, ClientId{7});
  o.call([&] { o.owner().fail_all(Error(ErrorCode::unavailable, "the node is gone")); });
  for (const Entry* entry : {static_cast<const Entry*>(running), unstarted, waiting, queued, borrowed}) {
    EXPECT_EQ(content(*entry), "error unavailable") << entry->id.low;
  }
  EXPECT_FALSE(o.owner().busy());
}

// OWN-6
TEST(OwnerTasks, LateAndRepeatedEventsChangeNothing) {
  RecordedOwner o;
  const Entry* task = o.submit(o.task(1, 1));
  o.grant(1);
  o.start(1);
  o.worker_died(1);
  o.log();
  o.worker_died(1);
  o.call([&] {
    o.owner().leases().set_blocked(LeaseId{1}, true);
    o.owner().leases().ask_back(9, 1);
    o.owner().infeasible(9, "unknown shape");
    o.owner().client_died(ClientId{101}, "was killed");
    o.owner().client_died(ClientId{101}, "was killed");
  });
  o.receive(ClientId{101}, AddBorrower{object(1), ClientId{101}});
  o.receive(ClientId{101}, RemoveBorrower{object(8), 1});
  o.receive(ClientId{101}, Fetched{object(8), text("late"), {}});
  EXPECT_THAT(o.log(), IsEmpty());
  EXPECT_EQ(task->attempt, 1U);
  EXPECT_EQ(o.live(), 1U);
}

}  // namespace
}  // namespace manta::owner
