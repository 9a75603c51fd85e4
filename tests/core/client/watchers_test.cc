#include "core/client/watchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Watching : public FakeProcess {
 protected:
  Watching() : watchers_(state, results) {
    effects.on_resolved = [this](owner::Entry& entry) { watchers_.resolved(entry); };
  }
  void add(Completions& completions, std::vector<detail::EntryHead*> entries) { watchers_.add(completions, entries); }
  std::vector<std::uint64_t> taken(ReadyList& list) {
    std::vector<std::uint64_t> tokens;
    std::vector<owner::Entry*> entries;
    watchers_.take_ready(list, tokens, entries);
    for (owner::Entry* entry : entries) drop(entry);
    return tokens;
  }
  static detail::Await await_of(owner::Entry& entry) {
    detail::Await await;
    await.entry = &entry;
    return await;
  }

  Watchers watchers_;
};

TEST_F(Watching, CompletionsComeInTheOrderOfCompletion) {
  owner::Entry* first = submit(1);
  owner::Entry* second = submit(2);
  owner::Entry* there = put(3, bytes_of("value"));
  Completions completions;
  add(completions, {first, second, there});
  EXPECT_THAT(completions.ready, ElementsAre(2));
  const std::uint32_t rings = state.slot.replies.rings;
  finish(*second);
  finish(*first);
  EXPECT_THAT(completions.ready, ElementsAre(2, 1, 0));
  EXPECT_EQ(completions.count, 3U);
  EXPECT_GT(state.slot.replies.rings, rings) << "threads that sleep look again";
  watchers_.remove(completions);
  EXPECT_TRUE(completions.entries.empty());
  EXPECT_EQ(first->refs, 1U);
}

TEST_F(Watching, WhatIsRemovedHearsNothing) {
  owner::Entry* entry = submit(1);
  Completions removed, kept;
  add(removed, {entry});
  add(kept, {entry, entry});
  watchers_.remove(removed);
  finish(*entry);
  EXPECT_THAT(removed.ready, IsEmpty());
  EXPECT_THAT(kept.ready, ElementsAre(0, 1));
  watchers_.remove(kept);
}

TEST_F(Watching, ABorrowedEntryIsFetchedOnceItIsWatched) {
  owner::Entry* entry = borrow(1);
  Completions completions;
  add(completions, {entry});
  ASSERT_EQ(effects.sent.size(), 1U);
  EXPECT_EQ(effects.sent[0].first, kOther);
  EXPECT_TRUE(std::holds_alternative<owner::Fetch>(effects.sent[0].second));
  resolve_borrowed(*entry, "value");
  EXPECT_THAT(completions.ready, ElementsAre(0));
  watchers_.remove(completions);
}

TEST_F(Watching, AFailureOfAWatchedEntryThatIsThereCountsAsSeen) {
  owner::Entry* entry = submit(1);
  finish(*entry, fails(ErrorCode::task_failed, "no"));
  EXPECT_FALSE(entry->seen);
  Completions completions;
  add(completions, {entry});
  EXPECT_TRUE(entry->seen);
  watchers_.remove(completions);
}

// --- loops of the program

TEST_F(Watching, AnArmedListWakesItsLoopOnce) {
  int wakes = 0;
  ReadyList list([&] { ++wakes; });
  owner::Entry* first = submit(1);
  owner::Entry* second = submit(2);
  watchers_.watch(list, *first, 100);
  watchers_.watch(list, *second, 200);
  EXPECT_TRUE(watchers_.arm(list));
  finish(*second);
  finish(*first);
  EXPECT_EQ(wakes, 1);
  EXPECT_FALSE(watchers_.arm(list)) << "two are ready";
  EXPECT_THAT(taken(list), ElementsAre(200, 100));
  EXPECT_THAT(taken(list), IsEmpty());
  EXPECT_TRUE(watchers_.arm(list));
  EXPECT_EQ(first->refs, 1U);
}

TEST_F(Watching, AListIsNotArmedWhileResultsAreThere) {
  ReadyList list([] {});
  results.quiet = false;
  EXPECT_FALSE(watchers_.arm(list));
  results.quiet = true;
  EXPECT_TRUE(watchers_.arm(list));
}

TEST_F(Watching, AnEntryThatIsThereIsReadyAtOnce) {
  ReadyList list([] {});
  owner::Entry* entry = put(1, bytes_of("value"));
  watchers_.watch(list, *entry, 5);
  EXPECT_FALSE(watchers_.arm(list));
  EXPECT_THAT(taken(list), ElementsAre(5));
}

TEST_F(Watching, ResultsAreTakenInBeforeTheListIsRead) {
  ReadyList list([] {});
  owner::Entry* entry = submit(1);
  watchers_.watch(list, *entry, 5);
  results.on_drain = [&] {
    if (!entry->resolved) finish_locked(*entry);
    return true;
  };
  EXPECT_THAT(taken(list), ElementsAre(5));
}

TEST_F(Watching, AListThatIsUnwatchedHearsNothingAndHoldsNothing) {
  int wakes = 0;
  ReadyList list([&] { ++wakes; });
  owner::Entry* open = submit(1);
  owner::Entry* there = put(2, bytes_of("value"));
  watchers_.watch(list, *open, 1);
  watchers_.watch(list, *there, 2);
  watchers_.unwatch(list);
  EXPECT_EQ(there->refs, 1U);
  EXPECT_TRUE(watchers_.arm(list));
  finish(*open);
  EXPECT_EQ(wakes, 0);
  EXPECT_EQ(open->refs, 1U);
}

// --- coroutines

TEST_F(Watching, AnAwaitBecomesReadyWithItsEntryAndRingsTheExecutor) {
  owner::Entry* entry = submit(1);
  detail::Await first = await_of(*entry), second = await_of(*entry);
  EXPECT_TRUE(watchers_.await(first));
  EXPECT_TRUE(watchers_.await(second));
  EXPECT_TRUE(watchers_.awaits().any());
  EXPECT_EQ(watchers_.take_awaited(), nullptr);
  EXPECT_TRUE(watchers_.prepare_to_sleep_awaiting());
  const std::uint32_t rings = state.slot.tasks.rings;
  finish(*entry);
  EXPECT_GT(state.slot.tasks.rings, rings);
  EXPECT_TRUE(watchers_.drain_awaited());
  EXPECT_FALSE(watchers_.prepare_to_sleep_awaiting());
  detail::Await* ready = watchers_.take_awaited();
  ASSERT_EQ(ready, &first) << "AWAIT-1: in the order in which they were added";
  EXPECT_EQ(ready->next, &second);
  EXPECT_FALSE(watchers_.drain_awaited());
}

TEST_F(Watching, OtherEntriesDoNotRingTheExecutor) {
  owner::Entry* awaited = submit(1);
  owner::Entry* other = submit(2);
  other->watched = true;
  detail::Await await = await_of(*awaited);
  EXPECT_TRUE(watchers_.await(await));
  const std::uint32_t rings = state.slot.tasks.rings;
  finish(*other);
  EXPECT_EQ(state.slot.tasks.rings, rings);
  watchers_.forget(await);
}

TEST_F(Watching, AnAwaitOfWhatIsThereDoesNotSuspend) {
  owner::Entry* entry = put(1, bytes_of("value"));
  detail::Await await = await_of(*entry);
  EXPECT_FALSE(watchers_.await(await));
  EXPECT_FALSE(watchers_.awaits().any());
  EXPECT_EQ(results.drains, 1) << "the result may have been in a ring";
}

TEST_F(Watching, AnAwaitIsForgottenBeforeAndAfterItIsReady) {
  owner::Entry* first = submit(1);
  owner::Entry* second = submit(2);
  detail::Await before = await_of(*first), after = await_of(*second);
  EXPECT_TRUE(watchers_.await(before));
  EXPECT_TRUE(watchers_.await(after));
  watchers_.forget(before);
  finish(*first);
  EXPECT_EQ(watchers_.take_awaited(), nullptr);
  finish(*second);
  watchers_.forget(after);
  EXPECT_FALSE(watchers_.drain_awaited());
  EXPECT_EQ(watchers_.take_awaited(), nullptr);
}

}  // namespace
}  // namespace manta::client
