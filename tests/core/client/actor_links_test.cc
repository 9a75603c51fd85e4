// Links to the workers of actors: constructors, calls that end out of order, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "tests/core/client/link_fixture.h"

namespace manta::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ActorLinkTest : public LinkFixture {
 protected:
  // Pending, with so many methods at a time.
  owner::Entry* create(std::uint32_t max_concurrency) {
    owner::NewActor made;
    made.constructor = task(90);
    made.request = cpus(2);
    made.limits.max_concurrency = max_concurrency;
    return locked([&] { return state.owner->actors().create(std::move(made)); });
  }
  owner::Entry* call(owner::Entry& actor, std::uint64_t n, std::string_view arguments = "arguments") {
    return locked([&] { return state.owner->actors().call(actor, task(n, arguments)); });
  }
  void grant_actor(const owner::Entry& actor, ClientId worker) {
    std::vector<Fd> descriptors;
    const bool far = node_of(worker) != kHere;
    if (!far) descriptors = ring();
    locked([&] { links_.granted({kLease, worker, actor.actor->index, kWorkerSlot, !far}, descriptors); });
  }
  // The actor lives on the worker of this node.
  owner::Entry* construct(std::uint32_t max_concurrency) {
    owner::Entry* actor = create(max_concurrency);
    grant_actor(*actor, kWorker);
    finish_record(*worker_.claim(), "");
    drain();
    return actor;
  }
  void finish_record(net::Record& record, std::string_view text) {
    answer(record, text);
    worker_.finish(record, true);
  }
};

TEST_F(ActorLinkTest, AConstructorGoesIntoTheRingAndMakesTheActor) {
  owner::Entry* actor = create(3);
  owner::Entry* early = call(*actor, 1);
  grant_actor(*actor, kWorker);
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->flags & net::Record::kConstruct, net::Record::kConstruct);
  EXPECT_EQ(record->task, actor->id);
  EXPECT_EQ(memory_->concurrency, 3U);
  EXPECT_EQ(memory_->task_cpus, 20'000U);
  EXPECT_EQ(early->phase, owner::Phase::queued);
  finish_record(*record, "");
  EXPECT_TRUE(drain());
  EXPECT_EQ(actor->actor->state, owner::Actor::State::alive);
  record = worker_.claim();
  ASSERT_NE(record, nullptr) << "calls follow";
  EXPECT_EQ(record->flags & net::Record::kMethod, net::Record::kMethod);
  EXPECT_EQ(record->task, early->id);
  EXPECT_EQ(invariants(), "");
}

TEST_F(ActorLinkTest, CallsThatRunAtOnceMayEndInAnyOrder) {
  owner::Entry* actor = construct(2);
  owner::Entry* first = call(*actor, 1, std::string(4000, 'x'));
  owner::Entry* second = call(*actor, 2);
  owner::Entry* third = call(*actor, 3);
  net::Record* long_one = worker_.claim();
  ASSERT_NE(long_one, nullptr);
  finish_record(*worker_.claim(), "second");
  EXPECT_FALSE(prepare_sleep()) << "a result is there behind one that runs";
  EXPECT_TRUE(drain());
  EXPECT_TRUE(second->resolved);
  EXPECT_FALSE(first->resolved);
  finish_record(*worker_.claim(), "third");
  EXPECT_TRUE(drain());
  EXPECT_TRUE(third->resolved);
  EXPECT_FALSE(drain());
  EXPECT_TRUE(prepare_sleep());
  EXPECT_THAT(blocks_, SizeIs(1)) << "its arguments are read still";
  const std::uint32_t rings = state.slot.replies.rings;
  finish_record(*long_one, "first");
  EXPECT_GT(state.slot.replies.rings, rings);
  EXPECT_TRUE(drain());
  EXPECT_THAT(blocks_, IsEmpty());
  ASSERT_TRUE(first->resolved);
  EXPECT_EQ(text_of(first->value.bytes()), "first");
  EXPECT_EQ(text_of(second->value.bytes()), "second");
  EXPECT_EQ(invariants(), "");
}

TEST_F(ActorLinkTest, CallsThatWereUnderWayAreLostWithTheirWorker) {
  owner::Entry* actor = construct(2);
  owner::Entry* first = call(*actor, 1, std::string(4000, 'x'));
  owner::Entry* second = call(*actor, 2);
  owner::Entry* third = call(*actor, 3, std::string(4000, 'y'));
  ASSERT_NE(worker_.claim(), nullptr);
  finish_record(*worker_.claim(), "second");
  ASSERT_TRUE(drain());
  EXPECT_THAT(running(kWorker), ElementsAre(first));
  locked([&] {
    links_.lease_ended(kLease, "was killed");
    links_.forget(kWorker);
  });
  EXPECT_EQ(first->value.error().code(), ErrorCode::actor_died);
  EXPECT_EQ(third->value.error().code(), ErrorCode::actor_died);
  EXPECT_FALSE(second->value.failed());
  EXPECT_THAT(blocks_, IsEmpty());
  EXPECT_EQ(invariants(), "");
}

TEST_F(ActorLinkTest, ACallThatHasNotStartedIsTakenBack) {
  owner::Entry* actor = construct(1);
  owner::Entry* first = call(*actor, 1);
  owner::Entry* second = call(*actor, 2);
  ASSERT_NE(worker_.claim(), nullptr);
  locked([&] {
    EXPECT_TRUE(state.owner->cancelling().cancel(*second, {}));
    EXPECT_TRUE(state.owner->cancelling().cancel(*first, {}));
  });
  ASSERT_TRUE(second->resolved);
  EXPECT_EQ(second->value.error().code(), ErrorCode::cancelled);
  EXPECT_FALSE(first->resolved) << "it runs";
  ASSERT_THAT(effects.stopped, SizeIs(1));
  EXPECT_EQ(effects.stopped[0].task, first->id);
  EXPECT_EQ(worker_.claim(), nullptr);
}

TEST_F(ActorLinkTest, TheWorkerEndsWithTheLastHandle) {
  owner::Entry* actor = construct(1);
  drop(actor);
  const net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->flags, net::Record::kEnd);
}

TEST_F(ActorLinkTest, AnActorOfAnotherNodeIsMadeByMessages) {
  owner::Entry* actor = create(20);
  grant_actor(*actor, kFarWorker);
  auto runs = node.sent_to<net::RunTask>(kFarWorker);
  ASSERT_THAT(runs, SizeIs(1));
  EXPECT_EQ(runs[0].kind, net::TaskKind::construct);
  EXPECT_EQ(runs[0].concurrency, 20U);
  EXPECT_EQ(runs[0].cpus, 20'000U);
  locked([&] { links_.done(kFarWorker, done(runs[0].position, "")); });
  EXPECT_EQ(actor->actor->state, owner::Actor::State::alive);
  std::vector<owner::Entry*> calls;
  for (std::uint64_t n = 1; n <= 30; ++n) calls.push_back(call(*actor, n));
  runs = node.sent_to<net::RunTask>(kFarWorker);
  EXPECT_THAT(runs, SizeIs(1 + 20)) << "those that may wait for each other are all there";
  EXPECT_EQ(runs.back().kind, net::TaskKind::method);
  locked([&] { links_.done(kFarWorker, done(runs[5].position, "fifth")); });
  EXPECT_EQ(text_of(calls[4]->value.bytes()), "fifth");
  EXPECT_THAT(node.sent_to<net::RunTask>(kFarWorker), SizeIs(1 + 21));
}

TEST_F(ActorLinkTest, REMOTE1_OfALostActorAsManyCallsCountAsStartedAsRunAtATime) {
  owner::NewActor made;
  made.constructor = task(90);
  made.limits.max_concurrency = 2;
  made.limits.max_restarts = 1;
  owner::Entry* actor = locked([&] { return state.owner->actors().create(std::move(made)); });
  grant_actor(*actor, kFarWorker);
  locked([&] { links_.done(kFarWorker, done(0, "")); });
  std::vector<owner::Entry*> calls;
  for (std::uint64_t n = 1; n <= 4; ++n) calls.push_back(call(*actor, n));
  locked([&] {
    links_.worker_died(kFarWorker, "was killed");
    links_.forget(kFarWorker);
  });
  EXPECT_TRUE(calls[0]->resolved && calls[1]->resolved);
  EXPECT_EQ(calls[2]->phase, owner::Phase::queued);
  EXPECT_EQ(calls[3]->phase, owner::Phase::queued);
  EXPECT_EQ(actor->attempt, 1);
  EXPECT_EQ(invariants(), "");
}

TEST_F(ActorLinkTest, AnActorOfAnotherNodeEndsByAMessage) {
  owner::Entry* actor = create(1);
  grant_actor(*actor, kFarWorker);
  locked([&] { links_.done(kFarWorker, done(0, "")); });
  drop(actor);
  EXPECT_EQ(node.sent_to<net::RunTask>(kFarWorker).back().kind, net::TaskKind::end);
  EXPECT_THAT(effects.killed, IsEmpty());
}

}  // namespace
}  // namespace manta::client
