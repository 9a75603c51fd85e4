// Owner: leases, rings and demand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void submit_some(RecordedOwner& o, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t n = first; n <= last; ++n) o.submit(n);
}

TEST(OwnerDemand, RisesInPowersOfTwo) {
  RecordedOwner o;
  submit_some(o, 1, 9);
  EXPECT_THAT(o.log(), ElementsAre("demand 1", "demand 2", "demand 4", "demand 8", "demand 16"));
}

TEST(OwnerDemand, IsOfOneShape) {
  RecordedOwner o;
  o.submit(1);
  NewTask large = o.task(2);
  large.shape = o.owner().leases().shape_of(cpus(2));
  o.submit(std::move(large));
  EXPECT_THAT(o.log(), ElementsAre("demand 1", "demand 1 of shape 1"));
  EXPECT_THAT(o.grant(1).unstarted(), ElementsAre(1));
  EXPECT_THAT(o.grant(2, 1024, 1).unstarted(), ElementsAre(2));
}

TEST(OwnerDemand, OneLeaseIsEnoughForTinyTasks) {
  RecordedOwner o;
  o.submit(1);
  o.grant(1);
  submit_some(o, 2, 20);
  o.log();
  for (int i = 0; i < 15; ++i) o.finish(o.start(1));
  o.log();
  o.tick();
  EXPECT_THAT(o.log(), IsEmpty()) << "the other five will be done before the next tick";
  o.tick();
  EXPECT_THAT(o.log(), ElementsAre("demand 8")) << "none was done since";
}

// OWN-5
TEST(OwnerDemand, IdleLeasesAreReturned) {
  RecordedOwner o({.idle_ticks = 3});
  o.submit(1);
  o.grant(1);
  o.run_all(1);
  o.log();
  o.tick(2);
  EXPECT_THAT(o.log(), IsEmpty());
  EXPECT_TRUE(o.owner().busy());
  o.tick(2);
  EXPECT_THAT(o.log(), ElementsAre("demand 0", "return 1"));
  EXPECT_FALSE(o.owner().busy());
}

// OWN-5
TEST(OwnerDemand, IdleLeasesGiveWayAtOnceWhereOthersWait) {
  RecordedOwner o;
  o.submit(1);
  o.grant(1);
  o.tick(1, true);
  EXPECT_THAT(o.log(), ElementsAre("demand 1")) << "it has a task to run";
  o.run_all(1);
  o.log();
  o.tick(1, true);
  EXPECT_THAT(o.log(), ElementsAre("demand 0", "return 1")) << "the node would grant it again to what is still wanted";
  EXPECT_FALSE(o.owner().busy());
}

// OWN-5
TEST(OwnerDemand, IsWithdrawnWhenTheTaskRanInItsSubmitter) {
  RecordedOwner o({.idle_ticks = 3});
  Entry* task = o.submit(1);
  ASSERT_TRUE(o.owner().leases().claim(*task));
  o.finish(task);
  o.log();
  EXPECT_TRUE(o.owner().busy()) << "ticks are needed";
  o.tick(3);
  EXPECT_THAT(o.log(), ElementsAre("demand 0"));
  EXPECT_FALSE(o.owner().busy());
}

// OWN-5
TEST(OwnerDemand, IsWithdrawnWhenAnIdleWorkerDies) {
  RecordedOwner o({.idle_ticks = 3});
  o.submit(1);
  o.grant(1);
  o.run_all(1);
  o.worker_died(1);
  o.log();
  EXPECT_TRUE(o.owner().busy()) << "ticks are needed";
  o.tick(3);
  EXPECT_THAT(o.log(), ElementsAre("demand 0"));
}

TEST(OwnerLeases, ABlockedOneGivesBackWhatHasNotStarted) {
  RecordedOwner o;
  submit_some(o, 1, 3);
  const FakeRing& blocked = o.grant(1);
  o.start(1);
  o.call([&] { o.owner().leases().set_blocked(LeaseId{1}, true); });
  EXPECT_THAT(blocked.unstarted(), IsEmpty());
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(2, 3));
  o.run_all(2);
  o.submit(4);
  EXPECT_THAT(blocked.unstarted(), IsEmpty());
  o.start(2);
  o.call([&] { o.owner().leases().set_blocked(LeaseId{2}, true); });
  o.submit(5);
  o.call([&] { o.owner().leases().set_blocked(LeaseId{1}, false); });
  EXPECT_THAT(blocked.unstarted(), ElementsAre(5));
}

TEST(OwnerLeases, IdleOnesAreGivenUpFirst) {
  RecordedOwner o;
  o.submit(1);
  o.grant(1);
  o.start(1);
  o.grant(2);
  o.log();
  o.call([&] { o.owner().leases().ask_back(0, 1); });
  EXPECT_THAT(o.log(), ElementsAre("return 2"));
}

// OWN-5
TEST(OwnerLeases, ABusyOneIsGivenUpWhenItsTaskEnds) {
  RecordedOwner o;
  submit_some(o, 1, 3);
  const FakeRing& ring = o.grant(1);
  Entry* running = o.start(1);
  o.log();
  o.call([&] { o.owner().leases().ask_back(0, 1); });
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  o.submit(4);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  EXPECT_THAT(o.log(), IsEmpty());
  o.finish(running);
  EXPECT_THAT(o.log(), ElementsAre("resolved 1", "return 1"));
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(2, 3, 4));
}

TEST(OwnerLeases, AFullRingGetsMoreWhenATaskOfItEnds) {
  RecordedOwner o;
  submit_some(o, 1, 4);
  const FakeRing& ring = o.grant(1, 2);
  EXPECT_THAT(ring.unstarted(), ElementsAre(1, 2));
  o.finish(o.start(1));
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
  o.run_all(1);
  EXPECT_EQ(o.owner().tasks().unfinished(), 0U);
}

TEST(OwnerLeases, NoMoreAreInFlightThanConfigured) {
  RecordedOwner o({.max_in_flight = 2});
  submit_some(o, 1, 4);
  const FakeRing& ring = o.grant(1);
  Entry* running = o.start(1);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2));
  o.finish(running);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
}

// OWN-4
TEST(OwnerLeases, ASecondOneTakesHalfOfWhatWaitsInTheFirst) {
  RecordedOwner o;
  submit_some(o, 1, 6);
  const FakeRing& first = o.grant(1);
  o.start(1);
  const FakeRing& second = o.grant(2);
  EXPECT_THAT(first.started(), ElementsAre(1));
  EXPECT_THAT(first.unstarted(), ElementsAre(2, 3));
  EXPECT_THAT(second.unstarted(), ElementsAre(4, 5, 6));
}

TEST(OwnerClaim, TakesWhatHasNotStarted) {
  RecordedOwner o;
  Entry* pushed = o.submit(1);
  const FakeRing& ring = o.grant(1, 1);
  Entry* queued = o.submit(2);
  for (Entry* entry : {pushed, queued}) {
    EXPECT_TRUE(o.call([&] { return o.owner().leases().claim(*entry); })) << entry->id.low;
    o.finish(entry, returns("here"));
    EXPECT_EQ(content(*entry), "value here");
  }
  EXPECT_THAT(ring.unstarted(), IsEmpty());
}

// OWN-4
TEST(OwnerClaim, LeavesWhatRunsOrWaitsOrIsDone) {
  RecordedOwner o;
  Entry* running = o.submit(1);
  NewTask dependent = o.task(2);
  dependent.references = {running};
  Entry* waiting = o.submit(std::move(dependent));
  o.grant(1);
  o.start(1);
  EXPECT_FALSE(o.call([&] { return o.owner().leases().claim(*running); }));
  EXPECT_FALSE(o.call([&] { return o.owner().leases().claim(*waiting); }));
  o.finish(running);
  EXPECT_FALSE(o.call([&] { return o.owner().leases().claim(*running); }));
  o.run_all(1);
  EXPECT_EQ(content(*waiting), "value done");
}

TEST(OwnerWant, MovesToTheFrontWhatAThreadWaitsFor) {
  RecordedOwner o;
  submit_some(o, 1, 2);
  Entry* third = o.submit(3);
  NewTask dependent = o.task(4);
  dependent.references = {third};
  Entry* fourth = o.submit(std::move(dependent));
  o.call([&] { o.owner().tasks().want(*fourth); });
  const FakeRing& ring = o.grant(1, 2);
  EXPECT_THAT(ring.unstarted(), ElementsAre(3, 1));
  o.finish(o.start(1));
  EXPECT_THAT(ring.unstarted(), ElementsAre(1, 4)) << "before the second";
}

}  // namespace
}  // namespace manta::owner
