// Owner: actors of other processes, and other processes that call this one's actors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ClientId kAnn{5};
constexpr ClientId kBob{6};
constexpr ClientId kFirst{201}, kSecond{202};  // workers of Ann's actor

ActorAt at(ClientId worker, std::int32_t restarts_left = 0, std::int32_t max_task_retries = 0) {
  return {object(1), worker, restarts_left, max_task_retries};
}

ActorGone gone() { return {object(1), Value::of(Error(ErrorCode::actor_died, "it has ended"))}; }

void dies(RecordedOwner& o, ClientId client) {
  o.call([&] { o.owner().client_died(client, "was killed"); });
}

// --- this process calls an actor of another one

TEST(OwnerBorrowedActors, ItsOwnerIsAskedAtTheFirstCallOnly) {
  RecordedOwner o;
  Entry* handle = o.borrow(1, kAnn);
  EXPECT_THAT(o.log(), IsEmpty());
  o.call_method(handle, 2);
  EXPECT_THAT(o.log(), ElementsAre("to 5: where is 1"));
  o.call_method(handle, 3);
  EXPECT_THAT(o.log(), IsEmpty());
  const FakeRing& ring = o.connect(kFirst);
  o.receive(kAnn, at(kFirst));
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
  o.receive(kAnn, at(kFirst));
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
}

TEST(OwnerBorrowedActors, CallsWaitForTheLink) {
  RecordedOwner o;
  Entry* handle = o.borrow(1, kAnn);
  o.call_method(handle, 2);
  o.log();
  o.receive(kAnn, at(kFirst));
  EXPECT_THAT(o.log(), ElementsAre("link to 201"));
  o.call_method(handle, 3);
  FakeRing& ring = o.connect(kFirst);
  o.call([&] { o.owner().actors().link_opened(kSecond, ring); });
  EXPECT_THAT(ring.unstarted(), IsEmpty()) << "somebody else's";
  o.call([&] { o.owner().actors().link_opened(kFirst, ring); });
  EXPECT_THAT(ring.unstarted(), ElementsAre(2, 3));
}

TEST(OwnerBorrowedActors, TheLastCallMayFailWhenTheLinkOpens) {
  RecordedOwner o;
  Entry* argument = o.put(8, Value::at({kSelf, 64, 100'000}, false));
  Entry* handle = o.borrow(1, kAnn);
  NewTask task = o.task(2);
  task.references = {argument};
  task.ref_mask = 1;
  const Entry* call = o.call_method(handle, std::move(task));
  o.drop(handle);
  o.receive(kAnn, at(kFirst));
  o.call([&] { o.owner().spilling().spilled(*argument, {4096, 100'000}); });
  o.call([&] { o.owner().spilling().unreadable(*argument, Error(ErrorCode::object_lost, "")); });
  // As if it had been read back damaged: the entry is resolved, and failed.
  FakeRing& ring = o.connect(kFirst);
  o.log();
  o.call([&] { o.owner().actors().link_opened(kFirst, ring); });
  EXPECT_EQ(content(*call), "error object_lost");
  EXPECT_THAT(o.log(), Contains("to 5: gives back 1, 1 times"));
}

// OWN-10
TEST(OwnerBorrowedActors, AfterItsWorkersDeathItsOwnerSaysWhereItIsNext) {
  RecordedOwner o;
  o.connect(kFirst);
  const FakeRing& next = o.connect(kSecond);
  Entry* handle = o.borrow(1, kAnn);
  const Entry* first = o.call_method(handle, 2);
  o.receive(kAnn, at(kFirst, 1, 0));
  EXPECT_EQ(first->phase, Phase::pushed);
  o.call_method(handle, 3);
  o.log();
  dies(o, kFirst);
  EXPECT_THAT(o.log(), ElementsAre("to 5: where is 1")) << "or it would never hear, had it ended meanwhile";
  o.receive(kAnn, at(kFirst, 1, 0));
  EXPECT_EQ(first->phase, Phase::queued) << "that worker is dead";
  o.receive(kAnn, at(kSecond, 0, 0));
  EXPECT_THAT(next.unstarted(), ElementsAre(2, 3)) << "they had not started";
}

TEST(OwnerBorrowedActors, CallsThatHadStartedAreRepeatedAsItsOwnerAllows) {
  for (const std::int32_t retries : {0, 1}) {
    RecordedOwner o;
    FakeRing& first = o.connect(kFirst);
    FakeRing& second = o.connect(kSecond);
    Entry* handle = o.borrow(1, kAnn);
    const Entry* call = o.call_method(handle, 2);
    o.call_method(handle, 3);
    o.receive(kAnn, at(kFirst, 5, retries));
    first.start();
    dies(o, kFirst);
    EXPECT_EQ(content(*call), retries == 0 ? "error unavailable" : "open");
    o.receive(kAnn, at(kSecond, 4, retries));
    EXPECT_EQ(second.unstarted().size(), 1U + static_cast<std::size_t>(retries));
    EXPECT_EQ(second.unstarted().back(), 3U);
    second.start();
    dies(o, kSecond);
    EXPECT_NE(content(*call), "open");
  }
}

// The message about the restart may arrive before that about the death.
// What the old process had not started is not lost, so its death must be heard of before anything goes to the new one.
TEST(OwnerBorrowedActors, ANewPlaceCountsFromTheDeathOfTheOldOne) {
  RecordedOwner o;
  FakeRing& first = o.connect(kFirst);
  const FakeRing& second = o.connect(kSecond);
  Entry* handle = o.borrow(1, kAnn);
  o.receive(kAnn, at(kFirst, 1, 0));  // it has not asked yet
  const Entry* started = o.call_method(handle, 2);
  o.call_method(handle, 3);
  o.receive(kAnn, at(kFirst, 1, 0));
  first.start();
  o.receive(kAnn, at(kSecond, 0, 0));
  EXPECT_EQ(content(*started), "open");
  EXPECT_THAT(second.unstarted(), IsEmpty());
  dies(o, kFirst);
  EXPECT_EQ(content(*started), "error unavailable");
  EXPECT_THAT(second.unstarted(), ElementsAre(3));
}

TEST(OwnerBorrowedActors, WhenItIsGoneCallsFail) {
  RecordedOwner o;
  Entry* handle = o.borrow(1, kAnn);
  const Entry* call = o.call_method(handle, 2);
  o.receive(kAnn, gone());
  EXPECT_EQ(content(*call), "error actor_died");
  EXPECT_EQ(content(*o.call_method(handle, 3)), "error actor_died");
  o.receive(kAnn, at(kFirst));
  EXPECT_EQ(content(*o.call_method(handle, 4)), "error actor_died");
}

TEST(OwnerBorrowedActors, ItsOwnersDeathEndsIt) {
  RecordedOwner o;
  FakeRing& ring = o.connect(kFirst);
  Entry* handle = o.borrow(1, kAnn);
  Entry* started = o.call_method(handle, 2);
  o.receive(kAnn, at(kFirst, -1, -1));
  const Entry* ends = o.call_method(handle, 3);
  const Entry* unstarted = o.call_method(handle, 4);
  ring.start();
  EXPECT_EQ(ring.start(), ends);
  dies(o, kAnn);
  EXPECT_EQ(content(*o.call_method(handle, 5)), "error actor_died");
  EXPECT_EQ(content(*started), "open") << "it may still end well";
  o.finish(started);
  EXPECT_EQ(content(*started), "value done");
  dies(o, kFirst);
  EXPECT_EQ(content(*ends), "error actor_died");
  EXPECT_EQ(content(*unstarted), "error actor_died");
  o.drop(handle);
  EXPECT_EQ(o.live(), 4U) << "the calls";
}

TEST(OwnerBorrowedActors, TheFirstCallAfterItsOwnersDeathFails) {
  for (const bool before : {false, true}) {
    RecordedOwner o;
    if (before) dies(o, kAnn);
    Entry* handle = o.borrow(1, kAnn);
    if (!before) dies(o, kAnn);
    o.log();  // its standby owner may have what the handle is to, if that is no actor
    EXPECT_EQ(content(*o.call_method(handle, 2)), "error actor_died");
    EXPECT_THAT(o.log(), IsEmpty());
    o.call([&] { o.owner().actors().kill(*handle, false); });
    EXPECT_THAT(o.log(), IsEmpty());
  }
}

TEST(OwnerBorrowedActors, KillingAsksItsOwner) {
  RecordedOwner o;
  Entry* handle = o.borrow(1, kAnn);
  o.call([&] { o.owner().actors().kill(*handle, true); });
  EXPECT_THAT(o.log(), ElementsAre("to 5: where is 1", "to 5: kill 1, restart"));
}

TEST(OwnerBorrowedActors, CallsKeepTheHandleAndTheLastReferenceIsGivenBack) {
  RecordedOwner o;
  FakeRing& ring = o.connect(kFirst);
  Entry* handle = o.borrow(1, kAnn);
  Entry* call = o.call_method(handle, 2);
  o.drop(handle);
  o.receive(kAnn, at(kFirst));
  o.log();
  o.finish(ring.start());
  EXPECT_THAT(o.log(), ElementsAre("resolved 2", "to 5: gives back 1, 1 times"));
  o.drop(call);
  EXPECT_EQ(o.live(), 0U);
  o.receive(kAnn, at(kSecond));  // OWN-6
}

// --- other processes call an actor of this one

TEST(OwnerBorrowedFromUs, CallersLearnWhenItIsThereAndWheneverItMoves) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  o.owner().borrowing().export_ref(*handle);
  o.receive(kAnn, FindActor{object(1)});
  o.receive(kAnn, FindActor{object(1)});
  o.grant_actor(1);
  Entry* constructor = o.start(1);
  o.log();
  o.finish(constructor);
  EXPECT_THAT(o.log(), ElementsAre("to 5: 1 is at 101"));
  o.receive(kBob, FindActor{object(1)});
  EXPECT_THAT(o.log(), ElementsAre("to 6: 1 is at 101"));
  dies(o, kBob);
  o.worker_died(1);
  o.grant_actor(2);
  o.finish(o.start(2));
  EXPECT_THAT(o.log(), ElementsAre("restart 1 in 0 ms", "demand 1 for actor 0", "to 5: 1 is at 102"))
      << "the dead are sent nothing";
  o.worker_died(2);
  EXPECT_THAT(o.log(), Contains("to 5: 1 is gone"));
  o.receive(kBob, FindActor{object(1)});
  EXPECT_THAT(o.log(), IsEmpty());
  o.receive(kAnn, FindActor{object(1)});
  EXPECT_THAT(o.log(), ElementsAre("to 5: 1 is gone"));
}

TEST(OwnerBorrowedFromUs, CallersLearnThatWhatIsNoActorOrNoMoreIsGone) {
  RecordedOwner o;
  Entry* value = o.put(1);
  o.owner().borrowing().export_ref(*value);
  o.receive(kAnn, FindActor{object(1)});
  o.receive(kAnn, FindActor{object(77)});
  EXPECT_THAT(o.log(), ElementsAre("to 5: 1 is gone", "to 5: 77 is gone"));
}

TEST(OwnerBorrowedFromUs, ABorrowerKeepsItAlive) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  FakeRing& ring = o.grant_actor(1);
  o.finish(o.start(1));
  o.call([&] { o.owner().borrowing().add_borrower(*handle, kAnn); });
  o.drop(handle);
  EXPECT_FALSE(ring.ended());
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  EXPECT_TRUE(ring.ended());
  EXPECT_EQ(o.live(), 0U);
}

// Bob gave his handle back, has got another one and calls with that; only then Ann announces the first borrow.
TEST(OwnerBorrowedFromUs, ACallerThatBorrowsAgainStillLearnsWhereItIs) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  o.grant_actor(1);
  o.finish(o.start(1));
  o.call([&] { o.owner().borrowing().add_borrower(*handle, kAnn); });
  o.receive(kBob, FindActor{object(1)});
  o.receive(kBob, RemoveBorrower{object(1), 1});
  o.receive(kBob, FindActor{object(1)});
  o.receive(kAnn, AddBorrower{object(1), kBob});
  o.worker_died(1);
  o.grant_actor(2);
  o.log();
  o.finish(o.start(2));
  EXPECT_THAT(o.log(), ElementsAre("to 6: 1 is at 102"));
}

}  // namespace
}  // namespace manta::owner
