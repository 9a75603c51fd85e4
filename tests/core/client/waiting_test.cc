#include "core/client/waiting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>

#include "core/client/watchers.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
constexpr detail::Deadline kNever = detail::Deadline::max();
const detail::Deadline kAtOnce{};  // long over

class WaitTest : public FakeProcess, protected WaitContext {
 protected:
  WaitTest() : watchers_(state, results), waiting_(state, results, *this) {
    effects.on_resolved = [this](owner::Entry& entry) { watchers_.resolved(entry); };
  }

  // --- WaitContext
  void run_here(owner::Entry& entry) override {
    ran_here_.push_back(entry.id.low);
    if (!entry.resolved) finish(entry);
  }
  void add(Completions& completions, std::span<detail::EntryHead* const> entries) override {
    watchers_.add(completions, entries);
  }
  void remove(Completions& completions) override { watchers_.remove(completions); }

  std::size_t wait_any(std::vector<detail::EntryHead*> entries, std::size_t count, detail::Deadline deadline) {
    return waiting_.wait_any(entries, count, deadline);
  }

  std::vector<std::uint64_t> ran_here_;
  Watchers watchers_;
  Waiting waiting_;
};

struct CountedBlocking final : BlockedThreads {
  std::uint64_t wait_begins() override {
    ++begun;
    return 77;
  }
  void wait_ends(std::uint64_t wait) override { ended.push_back(wait); }
  std::atomic<int> begun{0};
  std::vector<std::uint64_t> ended;
};

TEST_F(WaitTest, AResolvedEntryIsNotWaitedFor) {
  owner::Entry* entry = put(1, bytes_of("value"));
  EXPECT_TRUE(waiting_.wait_resolved(*entry, kAtOnce));
  EXPECT_EQ(results.sleeps, 0);
}

TEST_F(WaitTest, CLIENT1_TheThreadThatWaitsTakesTheResultIn) {
  owner::Entry* entry = submit(1);
  results.on_drain = [&] {
    EXPECT_EQ(entry->phase == owner::Phase::resolved, entry->resolved);
    if (results.drains < 4 || entry->resolved) return false;
    finish_locked(*entry);
    return true;
  };
  results.quiet = false;  // something is about to come
  EXPECT_TRUE(waiting_.wait_resolved(*entry, kNever));
  EXPECT_EQ(state.waiters, 0U);
}

TEST_F(WaitTest, AResultThatAnotherThreadTakesInWakesTheOneThatSleeps) {
  owner::Entry* entry = submit(1);
  auto waited = std::async(std::launch::async, [&] { return waiting_.wait_resolved(*entry, kNever); });
  EXPECT_TRUE(comes_true([&] { return state.slot.replies.sleepers > 0; }));
  EXPECT_EQ(state.waiters, 1U);
  finish(*entry);
  EXPECT_TRUE(waited.get());
  EXPECT_EQ(state.waiters, 0U);
}

TEST_F(WaitTest, AnEntryThatIsWaitedForRunsBeforeOthers) {
  submit(1);
  owner::Entry* entry = submit(2);
  EXPECT_FALSE(waiting_.wait_resolved(*entry, kAtOnce));
  EXPECT_TRUE(entry->wanted);
  owner::Entry* borrowed = borrow(3);
  EXPECT_FALSE(waiting_.wait_resolved(*borrowed, kAtOnce));
  EXPECT_EQ(effects.sent.size(), 1U) << "the owner is asked for it";
}

TEST_F(WaitTest, OnlyALongWaitHasAReason) {
  bool long_one = true;
  for (auto took = milliseconds(10); took >= milliseconds(10);) {  // a machine under load may take that for nothing
    const auto start = Clock::now();
    EXPECT_FALSE(waiting_.wait_for([] { return false; }, kAtOnce));
    took = std::chrono::ceil<milliseconds>(Clock::now() - start);
    long_one = Waiting::waited_long();
  }
  EXPECT_FALSE(long_one);
  EXPECT_FALSE(waiting_.wait_for([] { return false; }, Clock::now() + milliseconds(12)));
  EXPECT_TRUE(Waiting::waited_long());
  EXPECT_FALSE(Waiting::waited_long()) << "once for each wait";
}

TEST_F(WaitTest, CLIENT4_AThreadThatWaitsGivesItsCpusBackOnce) {
  CountedBlocking blocking;
  waiting_.release_cpus_by(blocking);
  results.quiet = false;  // it goes on looking
  int looks = 0;
  const auto done = [&] { return blocking.begun > 0 && ++looks > 20; };
  const auto start = Clock::now();
  EXPECT_TRUE(waiting_.wait_for(done, kNever));
  EXPECT_GE(Clock::now() - start, Waiting::kBlockedAfter);
  EXPECT_EQ(blocking.begun, 1);
  EXPECT_THAT(blocking.ended, ElementsAre(77));
}

TEST_F(WaitTest, AThreadThatFindsItsResultAtOnceKeepsItsCpus) {
  CountedBlocking blocking;
  waiting_.release_cpus_by(blocking);
  EXPECT_TRUE(waiting_.wait_for([] { return true; }, kNever));
  EXPECT_EQ(blocking.begun, 0);
  EXPECT_THAT(blocking.ended, IsEmpty());
}

TEST_F(WaitTest, AThreadThatSleepsGivesItsCpusBackToo) {
  CountedBlocking blocking;
  waiting_.release_cpus_by(blocking);
  std::atomic<bool> done{false};
  auto waited = std::async(std::launch::async, [&] { return waiting_.wait_for([&] { return done.load(); }, kNever); });
  EXPECT_TRUE(comes_true([&] { return blocking.begun == 1 && state.slot.replies.sleepers > 0; }));
  done = true;
  state.slot.replies.wake();
  EXPECT_TRUE(waited.get());
  EXPECT_THAT(blocking.ended, ElementsAre(77));
}

TEST_F(WaitTest, OnlyATaskRunsWhatItWaitsForAndOnlyWithoutADeadline) {
  owner::Entry* entry = submit(1);
  EXPECT_FALSE(waiting_.wait_resolved(*entry, kAtOnce));
  EXPECT_THAT(ran_here_, IsEmpty()) << "no task";
  const InTask in_task(object(50));
  EXPECT_FALSE(waiting_.wait_resolved(*entry, kAtOnce));
  EXPECT_THAT(ran_here_, IsEmpty()) << "a deadline";
  EXPECT_TRUE(waiting_.wait_resolved(*entry, kNever));
  EXPECT_THAT(ran_here_, ElementsAre(1));
}

TEST_F(WaitTest, TheWaitOfACancelledTaskEnds) {
  owner::Entry* entry = submit(1);
  InTask in_task(object(50));
  in_task.running.stop(locked([&] { return in_task.running.run_of(object(50), kSelf); }), {});
  const Error error = error_of([&] { waiting_.wait_for([] { return false; }, kNever); });
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_THAT(error.message(), HasSubstr("has been cancelled"));
  EXPECT_TRUE(waiting_.wait_for([] { return true; }, kNever)) << "what is there is there";
  EXPECT_EQ(error_of([&] { wait_any({entry}, 1, kNever); }).code(), ErrorCode::cancelled);
  EXPECT_EQ(entry->refs, 2U) << "the caller's and the task's own";
  EXPECT_EQ(state.waiters, 0U);
}

TEST_F(WaitTest, AWaitThatThrowsLeavesNoTrace) {
  CountedBlocking blocking;
  waiting_.release_cpus_by(blocking);
  const auto throws_at_last = [&]() -> bool {
    if (blocking.begun == 0) return false;
    throw std::logic_error("no more");
  };
  EXPECT_THROW(waiting_.wait_for(throws_at_last, kNever), std::logic_error);
  EXPECT_EQ(state.waiters, 0U);
  EXPECT_EQ(blocking.ended, std::vector<std::uint64_t>{77});
}

TEST_F(WaitTest, WaitAnyCountsWhatIsThere) {
  owner::Entry* there = put(1, bytes_of("value"));
  owner::Entry* first = submit(2);
  owner::Entry* second = submit(3);
  EXPECT_EQ(wait_any({there, first, second}, 1, kNever), 1U);
  EXPECT_EQ(wait_any({there, first, second}, 2, kAtOnce), 1U);
  results.on_drain = [&] {
    if (first->resolved) return false;
    finish_locked(*first);
    return true;
  };
  EXPECT_EQ(wait_any({there, first, second}, 2, kNever), 2U);
  EXPECT_EQ(first->refs, 1U);
  EXPECT_EQ(second->refs, 2U);
}

TEST_F(WaitTest, NextGivesEachCompletionOnce) {
  owner::Entry* first = submit(1);
  owner::Entry* second = submit(2);
  const std::vector<detail::EntryHead*> entries{first, second};
  Completions completions;
  watchers_.add(completions, entries);
  finish(*second);
  EXPECT_EQ(waiting_.next(completions), 1U);
  finish(*first);
  EXPECT_EQ(waiting_.next(completions), 0U);
  watchers_.remove(completions);
}

TEST_F(WaitTest, LetGoReturnsWhenTheThreadsThatWaitHaveLeft) {
  std::atomic<bool> failed{false};
  const auto wait = [&] { return waiting_.wait_for([&] { return failed.load(); }, kNever); };
  auto first = std::async(std::launch::async, wait), second = std::async(std::launch::async, wait);
  EXPECT_TRUE(comes_true([&] { return state.slot.replies.sleepers == 2; }));
  failed = true;
  waiting_.let_go();
  EXPECT_EQ(state.waiters, 0U);
  EXPECT_TRUE(first.get() && second.get());
}

// A worker that has constructed an actor, and does not answer when it is to end.
struct SilentLink final : owner::WorkerLink {
  bool push(owner::Entry&) override { return true; }
  owner::Entry* take_back_last() override { return nullptr; }
  bool take_back(owner::Entry&) override { return false; }
  owner::Entry* next_lost() override { return nullptr; }
  bool push_end() override { return asked_to_end = true; }
  void running(std::vector<owner::Entry*>&) const override {}
  void replace(owner::Entry&, owner::Entry&) override {}
  bool asked_to_end = false;
};

TEST_F(WaitTest, TheProgramWaitsForActorsThatEnd) {
  waiting_.wait_for_ending_actors();  // there are none
  SilentLink link;
  owner::Entry* actor = create_actor(1);
  locked([&] {
    state.owner->actors().granted(actor->actor->index, LeaseId{3}, kWorker, link);
    state.owner->finished(*actor, returns(""));
  });
  EXPECT_EQ(actor->actor->state, owner::Actor::State::alive);
  drop(actor);
  EXPECT_TRUE(link.asked_to_end);
  auto waited = std::async(std::launch::async, [&] { waiting_.wait_for_ending_actors(); });
  EXPECT_TRUE(comes_true([&] { return state.slot.replies.sleepers > 0; }));
  EXPECT_NE(waited.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  locked([&] { state.owner->lease_ended(LeaseId{3}, "exited"); });
  state.slot.replies.wake();
  waited.get();
}

}  // namespace
}  // namespace manta::client
