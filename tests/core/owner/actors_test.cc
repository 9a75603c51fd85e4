// Owner: actors of this process, from the first demand to the end of the worker.
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

constexpr ClientId kAnn{5};
constexpr ClientId kWorker{101};  // of lease 1

// Actor 1, made on lease 1.
FakeRing& construct(RecordedOwner& o, std::uint64_t lease = 1, std::size_t capacity = 1024) {
  FakeRing& ring = o.grant_actor(lease, 0, capacity);
  o.finish(o.start(lease));
  return ring;
}

NewTask with_argument(const RecordedOwner& o, std::uint64_t n, Entry* argument) {
  NewTask task = o.task(n);
  task.references = {argument};
  task.ref_mask = 1;
  return task;
}

void kill(RecordedOwner& o, Entry* handle, bool restart = false) {
  o.call([&] { o.owner().actors().kill(*handle, restart); });
}

// --- making

TEST(OwnerActors, CreationWaitsForItsArguments) {
  RecordedOwner o;
  Entry* argument = o.submit(8);
  o.grant(7);
  NewActor actor = o.actor(1);
  actor.constructor.references = {argument};
  Entry* handle = o.create(std::move(actor));
  EXPECT_THAT(o.log(), Not(Contains("demand 1 for actor 0")));
  o.run_all(7);
  EXPECT_THAT(o.log(), Contains("demand 1 for actor 0"));
  o.drop(handle);
}

TEST(OwnerActors, DemandIsStatedOnceAndWithdrawn) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  EXPECT_THAT(o.log(), ElementsAre("demand 1 for actor 0"));
  EXPECT_FALSE(o.owner().busy()) << "nothing is to be done until there is a worker";
  o.tick(100, true);
  EXPECT_THAT(o.log(), IsEmpty());
  o.drop(handle);
  EXPECT_THAT(o.log(), ElementsAre("demand 0 for actor 0"));
  EXPECT_EQ(o.live(), 0U);
  o.grant_actor(1);  // it was under way
  EXPECT_THAT(o.log(), ElementsAre("return 1"));
}

TEST(OwnerActors, OneThatIsHeldBackWaitsForItsName) {
  RecordedOwner o;
  NewActor actor = o.actor(1);
  actor.name = "x";
  actor.held_back = true;
  Entry* handle = o.create(std::move(actor));
  EXPECT_THAT(o.log(), IsEmpty());
  o.call([&] { o.owner().actors().start(*handle); });
  EXPECT_THAT(o.log(), ElementsAre("demand 1 for actor 0"));
  o.drop(handle);
  EXPECT_THAT(o.log(), ElementsAre("drop name x of 1", "demand 0 for actor 0"));
}

TEST(OwnerActors, WhatCannotRunIsDead) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  const Entry* call = o.call_method(handle, 2);
  o.call([&] { o.owner().infeasible(kFirstActor, "no such machine"); });
  EXPECT_EQ(content(*call), "error invalid_argument");
  EXPECT_EQ(content(*o.call_method(handle, 3)), "error invalid_argument");
}

TEST(OwnerActors, AFailedArgumentOfTheConstructorFailsTheActor) {
  RecordedOwner o;
  Entry* argument = o.submit(8);
  o.grant(7);
  NewActor actor = o.actor(1);
  actor.constructor.references = {argument};
  Entry* handle = o.create(std::move(actor));
  const Entry* call = o.call_method(handle, 2);
  o.finish(o.start(7), throws());
  EXPECT_EQ(content(*call), "error task_failed");
  o.drop(handle);
  EXPECT_EQ(o.live(), 2U) << "the argument and the call";
}

// OWN-10
TEST(OwnerActors, CallsWaitForTheConstructorAndGoInOrder) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  for (std::uint64_t n = 2; n <= 4; ++n) o.call_method(handle, n);
  FakeRing& ring = o.grant_actor(1);
  EXPECT_THAT(ring.unstarted(), ElementsAre(1));
  Entry* constructor = o.start(1);
  o.call_method(handle, 5);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  o.finish(constructor);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3, 4, 5));
}

TEST(OwnerActors, AConstructorThatThrowsFailsAllCallsAndTheWorkerGoesBack) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = -1});
  const Entry* before = o.call_method(handle, 2);
  o.grant_actor(1);
  Entry* constructor = o.start(1);
  o.log();
  o.finish(constructor, throws());
  EXPECT_THAT(o.log(), ElementsAre("return 1", "resolved 2"));
  EXPECT_EQ(content(*before), "error task_failed");
  const Entry* after = o.call_method(handle, 3);
  EXPECT_EQ(content(*after), "error task_failed");
  EXPECT_THAT(after->value.error().message(), HasSubstr("could not be constructed"));
  EXPECT_FALSE(o.owner().busy());
}

TEST(OwnerActors, AConstructorWaitsForSpaceInTheRing) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  FakeRing& ring = o.grant_actor(1, 0, 0);
  o.tick();
  EXPECT_TRUE(o.owner().busy());
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  o.drop(handle);
  EXPECT_EQ(o.live(), 1U);
  o.worker_died(1);
  EXPECT_EQ(o.live(), 0U);
}

// --- calls

// OWN-10
TEST(OwnerActors, ACallThatWaitsHoldsUpThoseBehindIt) {
  RecordedOwner o;
  Entry* argument = o.submit(8);
  Entry* handle = o.create(1);
  FakeRing& ring = construct(o);
  o.call_method(handle, 2);
  o.call_method(handle, with_argument(o, 3, argument));
  o.call_method(handle, 4);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2));
  o.grant(7);
  o.run_all(7);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3, 4));
}

TEST(OwnerActors, AFailedArgumentFailsOnlyItsCall) {
  RecordedOwner o;
  Entry* argument = o.submit(8);
  o.grant(7);
  Entry* handle = o.create(1);
  FakeRing& ring = construct(o);
  const Entry* waits = o.call_method(handle, with_argument(o, 2, argument));
  o.call_method(handle, 3);
  o.finish(o.start(7), throws());
  EXPECT_EQ(content(*waits), "error task_failed");
  EXPECT_THAT(ring.unstarted(), ElementsAre(3)) << "nothing holds it up any more";
  EXPECT_EQ(content(*o.call_method(handle, with_argument(o, 4, argument))), "error task_failed");
  EXPECT_THAT(ring.unstarted(), ElementsAre(3));
}

TEST(OwnerActors, AFullRingIsTriedAgainWhenACallEndsAndAtATick) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  FakeRing& ring = construct(o, 1, 2);
  for (std::uint64_t n = 2; n <= 5; ++n) o.call_method(handle, n);
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
  o.finish(o.start(1));
  EXPECT_THAT(ring.unstarted(), ElementsAre(3, 4));
  EXPECT_TRUE(o.owner().busy());
  Entry* third = o.start(1);
  ring.forget(*third);  // its place is free before its result is read
  o.tick();
  EXPECT_THAT(ring.unstarted(), ElementsAre(4, 5));
}

TEST(OwnerActors, ArgumentsThatCannotBeReadBackFailTheCallEvenIfItIsTheLast) {
  RecordedOwner o;
  Entry* object = o.put(8, Value::at({kSelf, 64, 100'000}, false));
  Entry* handle = o.create(1);
  const Entry* call = o.call_method(handle, with_argument(o, 2, object));
  o.call([&] { o.owner().spilling().spilled(*object, {4096, 100'000}); });
  FakeRing& ring = o.grant_actor(1);
  Entry* constructor = o.start(1);
  o.room = false;
  o.finish(constructor);
  o.drop(handle);
  EXPECT_EQ(content(*call), "open");
  o.call([&] { o.owner().spilling().unreadable(*object, Error(ErrorCode::object_lost, "")); });
  o.tick();
  EXPECT_EQ(content(*call), "error object_lost");
  EXPECT_TRUE(ring.ended());
  EXPECT_EQ(o.live(), 2U) << "the object and the call";
}

TEST(OwnerActors, AConstructorWhoseArgumentsCannotBeReadBackFailsTheActor) {
  RecordedOwner o;
  Entry* object = o.put(8, Value::at({kSelf, 64, 100'000}, false));
  NewActor actor = o.actor(1);
  actor.constructor.references = {object};
  actor.constructor.ref_mask = 1;
  Entry* handle = o.create(std::move(actor));
  o.call([&] { o.owner().spilling().spilled(*object, {4096, 100'000}); });
  o.room = false;
  o.grant_actor(1);
  o.drop(handle);
  o.log();
  o.call([&] { o.owner().spilling().unreadable(*object, Error(ErrorCode::object_lost, "")); });
  o.tick();
  EXPECT_THAT(o.log(), Contains("return 1"));
  EXPECT_EQ(o.live(), 1U) << "the object";
}

// OWN-3
TEST(OwnerActors, WhatAnActorKeepsOfItsArgumentsIsBorrowed) {
  RecordedOwner o;
  Entry* first = o.put(8);
  Entry* second = o.put(9);
  NewActor actor = o.actor(1);
  actor.constructor.contained = {first};
  Entry* handle = o.create(std::move(actor));
  o.grant_actor(1);
  Outcome kept_first = returns("");
  kept_first.kept = {{object(8), kSelf}};
  o.finish(o.start(1), std::move(kept_first));
  o.drop(o.call_method(handle, with_argument(o, 2, second)));
  Outcome kept_second = returns("");
  kept_second.kept = {{object(9), kSelf}};
  o.finish(o.start(1), std::move(kept_second));
  o.drop(first);
  o.drop(second);
  o.drop(handle);
  EXPECT_EQ(o.live(), 2U) << "the actor holds both";
  o.receive(kWorker, RemoveBorrower{object(9), 1});
  EXPECT_EQ(o.live(), 1U);
  o.call([&] { o.owner().client_died(kWorker, "has ended"); });
  EXPECT_EQ(o.live(), 0U);
}

// --- death

TEST(OwnerActors, WithoutRestartsDeathFailsAllCalls) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  construct(o);
  const Entry* started = o.call_method(handle, 2);
  const Entry* unstarted = o.call_method(handle, 3);
  o.start(1);
  o.log();
  o.worker_died(1);
  EXPECT_THAT(o.log(), ElementsAre("resolved 2", "resolved 3")) << "no other worker is wanted";
  EXPECT_EQ(content(*started), "error actor_died");
  EXPECT_EQ(content(*unstarted), "error actor_died");
  EXPECT_EQ(content(*o.call_method(handle, 4)), "error actor_died");
  o.worker_died(1);  // OWN-6
  o.call([&] { o.owner().client_died(kWorker, "was killed"); });
}

TEST(OwnerActors, AfterARestartCallsThatHadNotStartedRunAndThoseThatHadFail) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  construct(o);
  const Entry* started = o.call_method(handle, 2);
  for (std::uint64_t n = 3; n <= 5; ++n) o.call_method(handle, n);
  o.start(1);
  o.log();
  o.worker_died(1);
  EXPECT_THAT(o.log(), ElementsAre("restart 1 in 0 ms", "demand 1 for actor 0", "resolved 2"));
  EXPECT_EQ(content(*started), "error unavailable") << "calling again may help";
  EXPECT_EQ(handle->attempt, 1);
  EXPECT_THAT(construct(o, 2).unstarted(), ElementsAre(3, 4, 5));
  o.worker_died(2);
  EXPECT_EQ(content(*o.call_method(handle, 6)), "error actor_died");
}

// OWN-10
TEST(OwnerActors, RetriedCallsKeepTheirPlace) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = -1, .max_task_retries = 1, .max_concurrency = 2});
  construct(o);
  Entry* second = o.call_method(handle, 2);
  for (std::uint64_t n = 3; n <= 5; ++n) o.call_method(handle, n);
  o.start(1);
  o.start(1);
  o.worker_died(1);
  EXPECT_THAT(construct(o, 2).unstarted(), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(second->attempt, 1);
  o.start(2);
  o.worker_died(2);
  EXPECT_EQ(content(*second), "error unavailable");
  EXPECT_THAT(construct(o, 3).unstarted(), ElementsAre(3, 4, 5));
}

TEST(OwnerActors, OnlyAConstructorThatHadStartedCountsAsARestart) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  const Entry* call = o.call_method(handle, 2);
  o.grant_actor(7);
  o.worker_died(7);
  o.grant_actor(8, 0, 0);  // no room in the ring
  o.worker_died(8);
  o.grant_actor(1);
  o.start(1);
  o.worker_died(1);
  o.grant_actor(9);
  o.worker_died(9);
  EXPECT_EQ(content(*call), "open");
  o.grant_actor(2);
  o.start(2);
  o.log();
  o.worker_died(2);
  EXPECT_EQ(content(*call), "error actor_died");
  EXPECT_THAT(o.log(), ElementsAre("resolved 2"));
  o.drop(handle);
  EXPECT_EQ(o.live(), 1U) << "the call";
}

TEST(OwnerActors, KillEndsItForGoodUnlessItIsToRestart) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 2});
  construct(o);
  o.log();
  kill(o, handle, true);
  kill(o, handle, true);
  EXPECT_THAT(o.log(), ElementsAre("kill worker of 1")) << "once";
  o.worker_died(1);
  construct(o, 2);
  const Entry* running = o.call_method(handle, 2);
  const Entry* behind = o.call_method(handle, 3);
  o.start(2);
  o.log();
  kill(o, handle);
  EXPECT_THAT(o.log(), ElementsAre("kill worker of 2"));
  EXPECT_EQ(content(*o.call_method(handle, 4)), "error actor_died");
  o.log();
  kill(o, handle);
  o.worker_died(2);
  EXPECT_THAT(o.log(), ElementsAre("resolved 3", "resolved 2"));
  EXPECT_EQ(content(*running), "error actor_died");
  EXPECT_EQ(content(*behind), "error actor_died");
  o.worker_died(2);  // OWN-6
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerActors, KillBeforeTheConstructorHasStarted) {
  for (const bool restart : {false, true}) {
    RecordedOwner o;
    Entry* handle = o.create(1);
    const Entry* call = o.call_method(handle, 2);
    o.grant_actor(1);
    kill(o, handle, restart);
    EXPECT_EQ(content(*call), restart ? "open" : "error actor_died");
  }
}

TEST(OwnerActors, KillBeforeThereIsAWorker) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 2});
  const Entry* call = o.call_method(handle, 2);
  o.log();
  kill(o, handle, true);
  EXPECT_THAT(o.log(), IsEmpty()) << "there is nothing to start again";
  kill(o, handle);
  EXPECT_THAT(o.log(), ElementsAre("demand 0 for actor 0", "resolved 2"));
  EXPECT_EQ(content(*call), "error actor_died");
}

TEST(OwnerActors, ABorrowerMayKill) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  o.owner().borrowing().export_ref(*handle);
  construct(o);
  o.log();
  o.receive(kAnn, KillActor{object(1), false});
  EXPECT_THAT(o.log(), ElementsAre("kill worker of 1"));
  o.receive(kAnn, KillActor{object(77), false});
  EXPECT_THAT(o.log(), IsEmpty());
}

// --- the last handle

TEST(OwnerActors, TheLastHandleEndsTheWorker) {
  RecordedOwner o;
  NewActor actor = o.actor(1);
  actor.name = "x";
  Entry* handle = o.create(std::move(actor));
  FakeRing& ring = construct(o);
  o.log();
  o.drop(handle);
  EXPECT_THAT(o.log(), ElementsAre("drop name x of 1"));
  EXPECT_TRUE(ring.ended());
  EXPECT_TRUE(o.owner().actors().ending());
  EXPECT_EQ(o.live(), 0U);
  o.worker_died(1);
  EXPECT_FALSE(o.owner().actors().ending());
  EXPECT_THAT(o.log(), IsEmpty());
  EXPECT_FALSE(o.owner().busy());
}

TEST(OwnerActors, TheEndWaitsForSpaceInTheRingOrForTheWorkersDeath) {
  for (const bool dies : {false, true}) {
    RecordedOwner o;
    Entry* handle = o.create(1);
    FakeRing& ring = construct(o, 1, 1);
    o.drop(o.call_method(handle, 2));
    Entry* running = o.start(1);
    o.drop(handle);
    EXPECT_EQ(o.live(), 2U) << "a call keeps the actor";
    EXPECT_FALSE(o.owner().actors().ending());
    Entry extra;
    ASSERT_FALSE(ring.push(extra));
    o.finish(running);
    EXPECT_TRUE(ring.ended());
    if (dies) o.worker_died(1);
    EXPECT_EQ(o.owner().actors().ending(), !dies);
    EXPECT_EQ(o.live(), 0U);
  }
}

TEST(OwnerActors, TheEndIsTriedAgainAtATick) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  FakeRing& ring = construct(o, 1, 1);
  Entry other;
  ASSERT_TRUE(ring.push(other));
  o.log();
  o.drop(handle);
  EXPECT_FALSE(ring.ended());
  EXPECT_TRUE(o.owner().busy());
  EXPECT_THAT(o.log(), IsEmpty()) << "its demand has ended (SCHED-9)";
  EXPECT_TRUE(ring.take_back(other));
  o.tick();
  EXPECT_TRUE(ring.ended());
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerActors, AHandleDroppedWhileItIsMadeEndsItAfterwards) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  FakeRing& ring = o.grant_actor(1);
  o.drop(handle);
  EXPECT_FALSE(ring.ended());
  o.finish(o.start(1));
  EXPECT_TRUE(ring.ended());
  EXPECT_EQ(o.live(), 0U);

  Entry* another = o.create(2, {.max_restarts = 1});
  o.grant_actor(2, 1);
  o.start(2);
  o.drop(another);
  o.log();
  o.worker_died(2);
  EXPECT_THAT(o.log(), IsEmpty()) << "no handle is left for which to start it again";
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerActors, FailAllEndsEverything) {
  RecordedOwner o;
  Entry* pending = o.create(1, {.max_restarts = -1});
  Entry* starting = o.create(2, {.max_restarts = -1});
  Entry* alive = o.create(3, {.max_restarts = -1});
  Entry* ending = o.create(4);
  o.grant_actor(1, 1);
  o.grant_actor(2, 2);
  o.grant_actor(3, 3);
  o.start(1);
  o.finish(o.start(2));
  o.finish(o.start(3));
  o.drop(ending);
  std::vector<Entry*> calls;
  for (Entry* handle : {pending, starting, alive}) calls.push_back(o.call_method(handle, 10 + calls.size()));
  o.start(2);
  o.call([&] { o.owner().fail_all(Error(ErrorCode::unavailable, "the node has ended")); });
  for (const Entry* call : calls) EXPECT_EQ(content(*call), "error unavailable");
  EXPECT_EQ(content(*o.call_method(alive, 20)), "error unavailable");
  EXPECT_FALSE(o.owner().busy());
  EXPECT_FALSE(o.owner().actors().ending());
  for (Entry* call : calls) o.drop(call);
  for (Entry* handle : {pending, starting, alive}) o.drop(handle);
  EXPECT_EQ(o.live(), 1U) << "the last call";
}

}  // namespace
}  // namespace manta::owner
