#include "core/client/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <vector>

#include "core/net/spin.h"
#include "tests/core/client/link_fixture.h"

namespace manta::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LinkTest : public LinkFixture {};

// --- workers of this node

TEST_F(LinkTest, ATaskGoesThroughARingAndItsResultComesBack) {
  owner::Entry* entry = submit(1);
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  grant();
  EXPECT_EQ(entry->phase, owner::Phase::pushed);
  EXPECT_THAT(arenas_, ElementsAre(kWorker));
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->task, entry->id);
  EXPECT_EQ(text_of(net::payload_of(*record).value()), "arguments");
  EXPECT_EQ(memory_->task_cpus, 10'000U);

  EXPECT_FALSE(drain()) << "it runs still";
  answer(*record, "value");
  worker_.finish(*record, true);
  EXPECT_FALSE(prepare_sleep()) << "a result is there";
  EXPECT_TRUE(drain());
  EXPECT_TRUE(entry->resolved);
  EXPECT_EQ(text_of(entry->value.bytes()), "value");
  EXPECT_TRUE(prepare_sleep());
  EXPECT_FALSE(drain());
  EXPECT_EQ(invariants(), "");
}

TEST_F(LinkTest, CLIENT2_AResultRingsTheDoorbellWhileAllSleep) {
  owner::Entry* entry = submit(1);
  grant();
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  ASSERT_TRUE(prepare_sleep());
  const std::uint32_t before = state.slot.replies.rings;
  answer(*record, "value");
  worker_.finish(*record, true);
  EXPECT_GT(state.slot.replies.rings, before);
  EXPECT_TRUE(drain()) << "the bell says which link to look at";
  EXPECT_TRUE(entry->resolved);
}

TEST_F(LinkTest, CLIENT2_ALinkBeginsArmed) {
  grant();
  ASSERT_TRUE(prepare_sleep());
  owner::Entry* entry = submit(1);  // by another thread, while those that wait sleep
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  const std::uint32_t before = state.slot.replies.rings;
  answer(*record, "value");
  worker_.finish(*record, true);
  EXPECT_GT(state.slot.replies.rings, before);
  EXPECT_TRUE(drain());
  EXPECT_TRUE(entry->resolved);
}

TEST_F(LinkTest, LongArgumentsLieInABlockUntilTheResultIsThere) {
  const std::string arguments(4000, 'x');
  owner::Entry* entry = submit(task(1, arguments));
  grant();
  ASSERT_EQ(blocks_.size(), 1U);
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  ASSERT_EQ(record->kind, net::PayloadKind::block);
  const net::BlockRef at = net::block_of(*record).value();
  EXPECT_EQ(at.arena, kSelf);
  EXPECT_EQ(text_of({blocks_.at(at.offset).data(), at.size_bytes}), arguments);
  answer(*record, "value");
  worker_.finish(*record, true);
  EXPECT_TRUE(drain());
  EXPECT_TRUE(entry->resolved);
  EXPECT_TRUE(blocks_.empty());
}

TEST_F(LinkTest, ATaskWaitsInItsQueueWhileTheStoreIsFull) {
  space_ = false;
  owner::Entry* entry = submit(task(1, std::string(4000, 'x')));
  grant();
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  space_ = true;
  locked([&] { state.owner->tick(false); });
  EXPECT_EQ(entry->phase, owner::Phase::pushed);
}

TEST_F(LinkTest, AResultThatMakesNoSenseIsAnErrorOfItsTask) {
  owner::Entry* entry = submit(1);
  grant();
  net::Record* record = worker_.claim();
  ASSERT_NE(record, nullptr);
  answer(*record, "value");
  record->size_bytes = 4000;  // more than a record holds
  worker_.finish(*record, true);
  EXPECT_TRUE(drain());
  ASSERT_TRUE(entry->value.failed());
  EXPECT_THAT(entry->value.error().message(), HasSubstr("result of a task"));
}

TEST_F(LinkTest, TasksBehindOneThatWaitsComeBack) {
  owner::Entry* first = submit(1);
  grant();
  ASSERT_NE(worker_.claim(), nullptr);
  owner::Entry* second = submit(2);
  EXPECT_EQ(second->phase, owner::Phase::pushed);
  worker_.set_blocked(true);
  EXPECT_FALSE(prepare_sleep()) << "the worker's waiting is news to the owner";
  drain();
  EXPECT_EQ(second->phase, owner::Phase::queued);
  EXPECT_EQ(first->phase, owner::Phase::pushed);
  worker_.set_blocked(false);
  drain();
  EXPECT_EQ(second->phase, owner::Phase::pushed);
  EXPECT_EQ(invariants(), "");
}

TEST_F(LinkTest, AWorkerThatLookedOnThisCpuLastCannotRunHere) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<int>(net::this_cpu()), &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const std::uint32_t here = net::this_cpu();
  const auto shares_cpu = [&] { return locked([&] { return links_.waits_for_this_cpu(); }); };

  state.page.slots[kWorkerSlot].tasks.look_from(here);
  submit(1);
  EXPECT_FALSE(shares_cpu());
  grant();
  EXPECT_TRUE(shares_cpu());
  EXPECT_EQ(state.slot.replies.cpu, here);
  state.page.slots[kWorkerSlot].tasks.look_from(here + 1);
  EXPECT_FALSE(shares_cpu());
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST_F(LinkTest, ARingThatCannotBeMappedFailsTheDemand) {
  owner::Entry* entry = submit(1);
  std::vector<Fd> descriptors = ring();
  descriptors[0] = net::create_shared_memory("no-ring", 4096).value();
  locked([&] { links_.granted({kLease, kWorker, shape, kWorkerSlot, true}, descriptors); });
  const auto returned = node.sent<net::ReturnLease>();
  ASSERT_EQ(returned.size(), 1U);
  EXPECT_EQ(returned[0].lease, kLease);
  ASSERT_TRUE(entry->resolved);
  ASSERT_TRUE(entry->value.failed());
  EXPECT_EQ(entry->value.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(entry->value.error().message(), HasSubstr("raise ulimit -v or ulimit -n"));
}

TEST_F(LinkTest, AWorkerOfWhichTheDescriptorsAreMissingHasNoRing) {
  submit(1);
  std::vector<Fd> none;
  locked([&] { links_.granted({kLease, kWorker, shape, kWorkerSlot, true}, none); });
  EXPECT_EQ(node.sent<net::ReturnLease>().size(), 1U);
  std::vector<Fd> descriptors = ring();
  locked([&] { links_.granted({kLease, kWorker, shape, net::NodePage::kSlots, true}, descriptors); });
  EXPECT_EQ(node.sent<net::ReturnLease>().size(), 2U) << "a place beyond the page";
}

TEST_F(LinkTest, ARingIsKeptForTheNextLease) {
  owner::Entry* first = submit(1);
  grant();
  net::Record* record = worker_.claim();
  answer(*record, "one");
  worker_.finish(*record, true);
  drain();
  EXPECT_TRUE(first->resolved);
  locked([&] {
    state.owner->lease_ended(kLease, "was returned");
    links_.lease_returned(kLease);
  });
  owner::Entry* second = submit(2);
  EXPECT_EQ(second->phase, owner::Phase::queued);
  std::vector<Fd> none;
  locked([&] { links_.granted({kSecondLease, kWorker, shape, kWorkerSlot, false}, none); });
  record = worker_.claim();
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->task, second->id);
}

TEST_F(LinkTest, ARingToAnActorIsAskedForOnceAndArrives) {
  EXPECT_EQ(locked([&] { return links_.to(kWorker); }), nullptr);
  const auto asked = node.sent<net::RequestRing>();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].worker, kWorker);
  std::vector<Fd> none;
  locked([&] { links_.ring_arrived({kWorker, kWorkerSlot}, none); });
  EXPECT_EQ(locked([&] { return links_.to(kWorker); }), nullptr) << "the worker is dead";
  std::vector<Fd> descriptors = ring();
  locked([&] { links_.ring_arrived({kWorker, kWorkerSlot}, descriptors); });
  EXPECT_NE(locked([&] { return links_.to(kWorker); }), nullptr);
  EXPECT_EQ(node.sent<net::RequestRing>().size(), 2U);
}

TEST_F(LinkTest, WhatAForgottenRingHasIsNotLookedAtAnyMore) {
  owner::Entry* entry = submit(1);
  grant();
  net::Record* record = worker_.claim();
  locked([&] {
    links_.lease_ended(kLease, "was killed");
    links_.forget(kWorker);
  });
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  EXPECT_EQ(entry->attempt, 1) << "it had started";
  answer(*record, "too late");
  worker_.finish(*record, true);
  state.slot.replies.ring(net::group_of(kWorker));
  EXPECT_FALSE(drain());
  EXPECT_FALSE(entry->resolved);
  EXPECT_EQ(locked([&] { return links_.to(kWorker); }), nullptr);
}

// --- workers of other nodes

TEST_F(LinkTest, ATaskGoesToAnotherNodeAsAMessageAndItsResultComesAsOne) {
  owner::Entry* entry = submit(1);
  grant_far(kLease, kFarWorker);
  const auto runs = node.sent_to<net::RunTask>(kFarWorker);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].task, entry->id);
  EXPECT_EQ(runs[0].cpus, 10'000U);
  EXPECT_EQ(text_of(runs[0].payload), "arguments");
  locked([&] { links_.done(kFarWorker, done(runs[0].position + 1, "of another")); });
  EXPECT_FALSE(entry->resolved) << "REMOTE-2";
  locked([&] { links_.done(kFarWorker, done(runs[0].position, "value")); });
  ASSERT_TRUE(entry->resolved);
  EXPECT_EQ(text_of(entry->value.bytes()), "value");
  locked([&] { links_.done(kFarWorker, done(runs[0].position, "twice")); });
  EXPECT_EQ(text_of(entry->value.bytes()), "value");
}

TEST_F(LinkTest, AMessageThatIsNoResultIsAnErrorOfItsTask) {
  owner::Entry* entry = submit(1);
  grant_far(kLease, kFarWorker);
  locked([&] { links_.done(kFarWorker, {0, {}}); });
  ASSERT_TRUE(entry->resolved);
  EXPECT_THAT(entry->value.error().message(), HasSubstr("result of a task of another node"));
}

TEST_F(LinkTest, REMOTE1_OfALostWorkerTheOldestTaskCountsAsStarted) {
  owner::NewTask only_once = task(1);
  only_once.max_retries = 0;
  owner::Entry* first = submit(std::move(only_once));
  owner::Entry* second = submit(2);
  owner::Entry* third = submit(3);
  grant_far(kLease, kFarWorker);
  EXPECT_THAT(run_in(kFarWorker), ElementsAre(1, 2, 3));
  locked([&] { links_.lease_ended(kLease, "was killed by signal 9"); });
  ASSERT_TRUE(first->resolved);
  EXPECT_EQ(first->value.error().code(), ErrorCode::worker_died);
  for (const owner::Entry* entry : {second, third}) {
    EXPECT_EQ(entry->phase, owner::Phase::queued);
    EXPECT_EQ(entry->attempt, 0);
  }
  EXPECT_EQ(invariants(), "");
}

TEST_F(LinkTest, TheDeathOfAWorkerOfAnotherNodeEndsItsLease) {
  owner::Entry* entry = submit(1);
  grant_far(kLease, kFarWorker);
  locked([&] {
    links_.worker_died(kFarWorker, "was killed");
    links_.forget(kFarWorker);
  });
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  EXPECT_EQ(entry->attempt, 1);
  locked([&] { links_.done(kFarWorker, done(0, "too late")); });
  EXPECT_FALSE(entry->resolved);
}

TEST_F(LinkTest, WhatComesBackGoesOnInOrder) {
  submit(1);
  owner::Entry* second = submit(2);
  owner::Entry* third = submit(3);
  grant_far(kLease, kFarWorker);
  locked([&] { links_.blocked(kFarWorker, true); });
  EXPECT_EQ(node.sent_to<net::TakeBackTasks>(kFarWorker).size(), 1U);
  EXPECT_EQ(second->phase, owner::Phase::pushed) << "until the worker says that it has not started";
  locked([&] { links_.returned(kFarWorker, {{1, 2}}); });
  EXPECT_EQ(second->phase, owner::Phase::queued);
  EXPECT_EQ(third->phase, owner::Phase::queued);
  grant_far(kSecondLease, kFarOwner);
  EXPECT_THAT(run_in(kFarOwner), ElementsAre(2, 3));
  EXPECT_EQ(invariants(), "");
}

TEST_F(LinkTest, OnlyTasksThatHaveBegunAreUnderTheirTimeLimit) {
  owner::NewTask limited = task(1);
  limited.limit = std::chrono::hours(1);
  owner::Entry* entry = submit(std::move(limited));
  grant_far(kLease, kFarWorker);
  EXPECT_TRUE(node.sent_to<net::RunTask>(kFarWorker).at(0).timed);
  EXPECT_THAT(running(kFarWorker), IsEmpty());
  locked([&] { links_.began(kFarWorker, {0}); });
  EXPECT_THAT(running(kFarWorker), ElementsAre(entry));
}

TEST_F(LinkTest, AfterTheNodesEndThereAreNoLinks) {
  submit(1);
  grant();
  grant_far(kSecondLease, kFarWorker);
  locked([&] {
    state.owner->fail_all(Error(ErrorCode::unavailable, "the node has ended"));
    links_.clear();
  });
  EXPECT_FALSE(drain());
  EXPECT_TRUE(prepare_sleep());
  EXPECT_EQ(locked([&] { return links_.to(kWorker); }), nullptr);
}

}  // namespace
}  // namespace manta::client
