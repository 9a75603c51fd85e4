// Owner: what lives how long within one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Value block(std::uint64_t offset) { return Value::at({kSelf, offset, 4096}, false); }

// OWN-3
TEST(OwnerReferences, TheLastOneFreesTheValue) {
  RecordedOwner o;
  Entry* object = o.put(1, block(64));
  detail::retain(object);
  o.drop(object);
  EXPECT_THAT(o.log(), IsEmpty());
  o.drop(object);
  EXPECT_THAT(o.log(), ElementsAre("free 64"));
  EXPECT_EQ(o.live(), 0U);
}

// OWN-3
TEST(OwnerReferences, ArgumentsLiveUntilTheTaskHasEnded) {
  RecordedOwner o;
  Entry* given = o.put(1, block(64));
  Entry* inside = o.put(2, block(128));
  NewTask task = o.task(3);
  task.arguments = block(192);
  task.references = {given};
  task.contained = {inside};
  o.submit(std::move(task));
  o.drop(given);
  o.drop(inside);
  o.grant(1);
  o.start(1);
  o.worker_died(1);
  o.grant(2);
  o.log();
  Entry* running = o.start(2);
  EXPECT_THAT(o.log(), IsEmpty()) << "the second attempt needs them";
  o.finish(running);
  EXPECT_THAT(o.log(), ::testing::UnorderedElementsAre("free 64", "free 128", "free 192", "resolved 3"));
  EXPECT_EQ(o.live(), 1U);
}

// OWN-3
TEST(OwnerReferences, WhatAValueContainsLivesAsLongAsTheValue) {
  RecordedOwner o;
  Entry* inside = o.put(1, block(64));
  Entry* outside = o.put(2, text("outside"), {inside});
  o.drop(inside);
  EXPECT_THAT(o.log(), IsEmpty());
  o.drop(outside);
  EXPECT_THAT(o.log(), ElementsAre("free 64"));
}

TEST(OwnerReferences, WhatAResultContainsIsBorrowedFromItsWorker) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  o.grant(1);
  Outcome outcome = returns("with a reference");
  outcome.contained = {{object(9), ClientId{101}}};
  o.finish(o.start(1), std::move(outcome));
  EXPECT_EQ(o.live(), 2U);
  o.log();
  o.drop(task);
  EXPECT_THAT(o.log(), ElementsAre("to 101: gives back 9, 1 times"));
  EXPECT_EQ(o.live(), 0U);
}

// A repeated attempt makes its results anew.
TEST(OwnerReferences, WhatAThrowingAttemptReturnedIsFreedBeforeTheNext) {
  RecordedOwner o;
  NewTask task = o.task(1);
  task.retry_exceptions = true;
  o.submit(std::move(task));
  o.grant(1);
  Outcome outcome = throws();
  outcome.contained = {{object(9), ClientId{101}}};
  o.log();
  o.finish(o.start(1), std::move(outcome));
  EXPECT_THAT(o.log(), ElementsAre("to 101: gives back 9, 1 times"));
  EXPECT_EQ(o.live(), 1U);
}

// As a recursion it would overflow the stack.
TEST(OwnerReferences, DeepNestingIsFreed) {
  RecordedOwner o;
  Entry* outermost = o.put(1);
  for (std::uint64_t n = 2; n <= 100'000; ++n)
    outermost = o.owner().objects().put(object(n), text("nested"), {outermost});
  EXPECT_EQ(o.live(), 100'000U);
  o.drop(outermost);
  EXPECT_EQ(o.live(), 0U);
}

// OWN-7: a Ref goes away outside the lock while a value that is decoded names the same object.
TEST(OwnerReferences, AnEntryThatIsHeldAgainOutlivesTheLateRelease) {
  RecordedOwner o;
  Entry* entry = o.put(1, block(64));
  const detail::WireRef name = o.owner().borrowing().export_ref(*entry);
  for (int times = 0; times < 2; ++times) {
    RecordedOwner::drop_count(entry);
    EXPECT_EQ(o.call([&] { return o.owner().borrowing().import(name, false); }), entry);
  }
  o.call([&] { o.owner().objects().release_last(*entry); });
  o.call([&] { o.owner().objects().release_last(*entry); });
  EXPECT_EQ(content(*entry), "block 64");
  EXPECT_THAT(o.log(), IsEmpty());
  o.drop(entry);
  EXPECT_THAT(o.log(), ElementsAre("free 64"));
}

// OWN-7, the other order: the last release frees the object, whichever thread calls it.
TEST(OwnerReferences, TheLastOfSeveralReleasesFrees) {
  RecordedOwner o;
  Entry* entry = o.put(1, block(64));
  const detail::WireRef name = o.owner().borrowing().export_ref(*entry);
  RecordedOwner::drop_count(entry);
  o.call([&] { return o.owner().borrowing().import(name, false); });
  RecordedOwner::drop_count(entry);
  o.owner().objects().release_last(*entry);  // in between, nothing tells the entry from a forgotten one
  EXPECT_THAT(o.log(), IsEmpty());
  o.call([&] { o.owner().objects().release_last(*entry); });
  EXPECT_THAT(o.log(), ElementsAre("free 64"));
}

// OWN-6
TEST(OwnerReferences, AnObjectThatWasFreedOnTheWayIsLost) {
  RecordedOwner o;
  const Entry* entry = o.call([&] { return o.owner().borrowing().import({object(1), kSelf}, false); });
  EXPECT_EQ(content(*entry), "error object_lost");
}

// A task that is repeated in the same process names its children as before.
TEST(OwnerReferences, NamesakesAreDistinguished) {
  RecordedOwner o;
  Entry* first = o.put(1, text("first"));
  Entry* second = o.put(1, text("second"));
  const detail::WireRef a = o.owner().borrowing().export_ref(*first);
  const detail::WireRef b = o.owner().borrowing().export_ref(*second);
  EXPECT_NE(a.object, b.object);
  EXPECT_EQ(o.call([&] { return o.owner().borrowing().import(a, false); }), first);
  EXPECT_EQ(o.call([&] { return o.owner().borrowing().import(b, false); }), second);
}

}  // namespace
}  // namespace manta::owner
