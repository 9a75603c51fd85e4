// Failures that nothing reads are reported once; and actors that are found by name while their last handle goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr ClientId kOther{5};

Entry* submit_unwatched(RecordedOwner& o, std::uint64_t n) {
  Entry* entry = o.submit(o.task(n, 0));
  entry->watched = false;
  return entry;
}

TEST(UnreadFailures, ATaskWhoseRefWasDroppedBeforeOrAfter) {
  RecordedOwner o;
  o.grant(1);
  o.drop(submit_unwatched(o, 7));
  EXPECT_THAT(o.unread, IsEmpty());
  o.finish(o.start(1), throws());
  EXPECT_THAT(o.unread, SizeIs(1));
  Entry* late = submit_unwatched(o, 8);
  o.finish(o.start(1), throws());
  EXPECT_THAT(o.unread, SizeIs(1));
  o.drop(late);
  EXPECT_THAT(o.unread, SizeIs(2));
}

TEST(UnreadFailures, NotOfWhatWasAwaitedReadReturnedOrCancelled) {
  RecordedOwner o;
  o.grant(1);
  Entry* awaited = o.submit(o.task(1, 0));
  o.finish(o.start(1), throws());
  o.drop(awaited);
  Entry* read = submit_unwatched(o, 2);
  o.finish(o.start(1), throws());
  read->seen = true;
  o.drop(read);
  o.drop(submit_unwatched(o, 3));
  o.finish(o.start(1));
  Entry* cancelled = submit_unwatched(o, 4);
  o.start(1);
  EXPECT_TRUE(o.call([&] { return o.owner().cancelling().cancel(*cancelled, {}); }));
  o.finish(cancelled, throws());
  o.drop(cancelled);
  EXPECT_THAT(o.unread, IsEmpty());
}

TEST(UnreadFailures, ATaskThatFailsByItsArgumentIsReportedInItsPlace) {
  RecordedOwner o;
  o.grant(1);
  Entry* argument = submit_unwatched(o, 1);
  NewTask next = o.task(2, 0);
  next.references = {argument};
  next.ref_mask = 1;
  Entry* entry = o.submit(std::move(next));
  entry->watched = false;
  o.finish(o.start(1), throws());
  o.drop(argument);
  EXPECT_THAT(o.unread, IsEmpty());
  o.drop(entry);
  EXPECT_THAT(o.unread, SizeIs(1));
}

TEST(UnreadFailures, AConstructorUnlessACallHasItsError) {
  RecordedOwner o;
  Entry* handle = o.create(1);
  o.grant_actor(1);
  o.finish(o.start(1), throws());
  o.drop(handle);
  EXPECT_THAT(o.unread, SizeIs(1));
  Entry* called = o.create(2);
  Entry* call = o.call_method(called, 3);
  o.grant_actor(2, 1);
  o.finish(o.start(2), throws());
  o.drop(call);
  o.drop(called);
  EXPECT_THAT(o.unread, SizeIs(1));
}

TEST(UnreadFailures, WhatIsLeftAtTheEndIsReportedOnce) {
  RecordedOwner o;
  o.grant(1);
  Entry* entry = submit_unwatched(o, 1);
  o.finish(o.start(1), throws());
  o.call([&] { o.owner().failures().report_unread(o.owner().objects().table()); });
  EXPECT_THAT(o.unread, SizeIs(1));
  o.drop(entry);
  EXPECT_THAT(o.unread, SizeIs(1));
}

// --- names

TEST(FoundActors, AreHandedOutUntilTheirLastHandleIsReleased) {
  RecordedOwner o;
  NewActor actor = o.actor(1);
  actor.name = "x";
  Entry* handle = o.create(std::move(actor));
  o.owner().borrowing().export_ref(*handle);
  o.grant_actor(1);
  o.finish(o.start(1));
  const ObjectId id = handle->id;
  RecordedOwner::drop_count(handle);  // outside of the lock
  o.log();
  o.receive(kOther, AdoptActor{id, 3});
  EXPECT_THAT(o.log(), ElementsAre("to 5: adopted"));
  o.call([&] { o.owner().objects().release_last(*handle); });
  EXPECT_THAT(o.log(), IsEmpty());
  o.receive(kOther, RemoveBorrower{id, 1});
  EXPECT_THAT(o.log(), ElementsAre("drop name x of 1"));
  o.receive(kOther, AdoptActor{id, 4});
  EXPECT_THAT(o.log(), ElementsAre("to 5: not adopted"));
  EXPECT_EQ(o.call([&] { return o.owner().actors().adopt(id); }), nullptr);
}

}  // namespace
}  // namespace manta::owner
