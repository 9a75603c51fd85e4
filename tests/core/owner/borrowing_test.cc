// Owner: objects that cross the border between processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ClientId kAnn{5};
constexpr ClientId kBob{6};
constexpr ClientId kWorker{101};  // of lease 1

void add_borrower(RecordedOwner& o, Entry* entry, ClientId to) {
  o.call([&] { o.owner().borrowing().add_borrower(*entry, to); });
}

void dies(RecordedOwner& o, ClientId client) {
  o.call([&] { o.owner().client_died(client, "was killed"); });
}

std::vector<ObjectId> objects(const std::vector<detail::WireRef>& refs) {
  std::vector<ObjectId> ids;
  for (const detail::WireRef& ref : refs) ids.push_back(ref.object);
  return ids;
}

// OWN-3
TEST(OwnerBorrowing, ABorrowerKeepsTheObjectUntilItGivesAllBack) {
  RecordedOwner o;
  Entry* entry = o.put(1);
  add_borrower(o, entry, kAnn);
  add_borrower(o, entry, kAnn);
  add_borrower(o, entry, kBob);
  o.drop(entry);
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  o.receive(kBob, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 1U) << "one of two loans is left";
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 0U);
}

// OWN-3: Ann says that Bob has it too, Bob that he has it no more; they are not heard in that order.
TEST(OwnerBorrowing, AReleaseMayOvertakeItsBorrow) {
  RecordedOwner o;
  Entry* entry = o.put(1);
  add_borrower(o, entry, kAnn);
  o.drop(entry);
  o.receive(kBob, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 1U);
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 1U) << "Bob's account is not settled";
  o.receive(kAnn, AddBorrower{object(1), kBob});
  EXPECT_EQ(o.live(), 0U);
}

// OWN-3, OWN-6
TEST(OwnerBorrowing, TheDeadHoldNothing) {
  RecordedOwner o;
  Entry* entry = o.put(1);
  add_borrower(o, entry, kAnn);
  add_borrower(o, entry, kBob);
  o.drop(entry);
  dies(o, kAnn);
  dies(o, kAnn);
  o.receive(kBob, AddBorrower{object(1), kAnn});
  EXPECT_EQ(o.live(), 1U);
  o.receive(kBob, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 0U);
}

// OWN-3, OWN-6
TEST(OwnerBorrowing, AllProcessesOfADeadNodeHoldNothing) {
  constexpr NodeId kNode{3};
  constexpr ClientId kFirst{(kNode.value << 40) + 1}, kSecond{(kNode.value << 40) + 2};
  RecordedOwner o;
  Entry* entry = o.put(1);
  add_borrower(o, entry, kFirst);
  add_borrower(o, entry, kSecond);
  add_borrower(o, entry, kAnn);
  const Entry* borrowed = o.borrow(7, kFirst);
  o.drop(entry);
  o.call([&] { o.owner().node_died(kNode, "its machine stopped"); });
  EXPECT_EQ(content(*borrowed), "error object_lost");
  o.receive(kAnn, AddBorrower{object(1), kSecond});
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 1U) << "only the borrowed one";
}

TEST(OwnerBorrowing, AValueIsSentWhenItIsThere) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  o.owner().borrowing().export_ref(*task);
  o.log();
  o.receive(kAnn, Fetch{object(1)});
  EXPECT_THAT(o.log(), IsEmpty());
  o.grant(1);
  o.run_all(1);
  EXPECT_THAT(o.log(), ElementsAre("resolved 1", "to 5: value of 1"));
  o.receive(kBob, Fetch{object(1)});
  EXPECT_THAT(o.log(), ElementsAre("to 6: value of 1"));
}

TEST(OwnerBorrowing, TheDeadAreSentNothingAndTheLateAnError) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  o.owner().borrowing().export_ref(*task);
  o.receive(kAnn, Fetch{object(1)});
  dies(o, kAnn);
  o.receive(kAnn, Fetch{object(1)});
  o.grant(1);
  o.log();
  o.run_all(1);
  EXPECT_THAT(o.log(), ElementsAre("resolved 1"));
  o.receive(kBob, Fetch{object(77)});
  EXPECT_THAT(o.log(), ElementsAre("to 6: error of 77"));
}

// OWN-3
TEST(OwnerBorrowing, WhatAFetchedValueContainsIsBorrowedWithIt) {
  RecordedOwner o;
  Entry* inside = o.put(1);
  Entry* outside = o.put(2, text("outside"), {inside});
  o.owner().borrowing().export_ref(*outside);
  o.receive(kAnn, Fetch{object(2)});
  EXPECT_THAT(o.log(), ElementsAre("to 5: value of 2 (with 1)"));
  o.drop(outside);
  o.drop(inside);
  EXPECT_EQ(o.live(), 1U);
  o.receive(kAnn, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 0U);
}

// OWN-3: also if the attempt threw.
TEST(OwnerBorrowing, WhatATaskKeptIsEnteredWhenItEnds) {
  RecordedOwner o;
  Entry* given = o.put(1);
  NewTask task = o.task(2);
  task.contained = {given};
  Entry* result = o.submit(std::move(task));
  o.drop(given);
  o.grant(1);
  Outcome outcome = throws();
  outcome.kept = {{object(1), kSelf}};
  o.finish(o.start(1), std::move(outcome));
  o.drop(result);
  EXPECT_EQ(o.live(), 1U);
  o.receive(kWorker, RemoveBorrower{object(1), 1});
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerBorrowing, WhatATaskKeptOfOthersIsAnnouncedBeforeItIsGivenBack) {
  RecordedOwner o;
  Entry* given = o.borrow(1, kAnn);
  NewTask task = o.task(2);
  task.contained = {given};
  o.submit(std::move(task));
  o.drop(given);
  o.grant(1);
  o.log();
  Outcome outcome = returns("done");
  outcome.kept = {{object(1), kAnn}};
  o.finish(o.start(1), std::move(outcome));
  EXPECT_THAT(o.log(), ElementsAre("to 5: 1 borrowed by 101", "to 5: gives back 1, 1 times", "resolved 2"));
}

TEST(OwnerBorrowing, AValueIsFetchedOnceAndGivenBackWithItsCount) {
  RecordedOwner o;
  Entry* borrowed = o.borrow(7, kAnn);
  EXPECT_EQ(o.borrow(7, kAnn), borrowed);
  borrowed->watched = true;
  EXPECT_THAT(o.log(), IsEmpty()) << "nobody wants it yet";
  o.call([&] { o.owner().tasks().want(*borrowed); });
  o.call([&] { o.owner().tasks().want(*borrowed); });
  EXPECT_THAT(o.log(), ElementsAre("to 5: fetch 7"));
  o.receive(kAnn, Fetched{object(7), text("seven"), {}});
  EXPECT_EQ(content(*borrowed), "value seven");
  EXPECT_THAT(o.log(), ElementsAre("resolved 7"));
  o.drop(borrowed);
  o.drop(borrowed);
  EXPECT_THAT(o.log(), ElementsAre("to 5: gives back 7, 2 times"));
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerBorrowing, AValueThatComesTooLateGivesBackWhatIsInside) {
  RecordedOwner o;
  Entry* borrowed = o.borrow(7, kAnn);
  o.call([&] { o.owner().tasks().want(*borrowed); });
  o.drop(borrowed);
  o.log();
  o.receive(kAnn, Fetched{object(7), text("seven"), {{object(8), kBob}}});
  EXPECT_THAT(o.log(), ElementsAre("to 6: gives back 8, 1 times"));
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerBorrowing, ATaskWaitsForABorrowedReference) {
  RecordedOwner o;
  Entry* borrowed = o.borrow(7, kAnn);
  NewTask task = o.task(1);
  task.references = {borrowed};
  o.submit(std::move(task));
  EXPECT_THAT(o.log(), ElementsAre("to 5: fetch 7"));
  const FakeRing& ring = o.grant(1);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  o.receive(kAnn, Fetched{object(7), text("seven"), {}});
  EXPECT_THAT(ring.unstarted(), ElementsAre(1));
}

// OWN-7: between two tasks nothing covers what neither of them kept; its owner may have made another of that name.
TEST(OwnerBorrowing, AnEntryThatAwaitsItsReleaseIsNotRevived) {
  RecordedOwner o;
  Entry* before = o.call([&] { return o.owner().borrowing().import({object(7), kAnn}, false); });
  o.receive(kAnn, Fetched{object(7), text("old"), {}});
  RecordedOwner::drop_count(before);
  Entry* after = o.owner().borrowing().import({object(7), kAnn}, false);
  EXPECT_EQ(content(*after), "open");
  o.call([&] { o.owner().objects().release_last(*before); });
  EXPECT_EQ(o.live(), 1U);
  EXPECT_EQ(o.call([&] { return o.owner().borrowing().import({object(7), kAnn}, false); }), after);
  o.drop(after);
  o.drop(after);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerBorrowing, AnObjectThatTheStandbyOwnerDoesNotKnowIsLostWithItsOwner) {
  RecordedOwner o;
  Entry* borrowed = o.borrow(7, kAnn);
  Entry* fetched = o.borrow(8, kAnn);
  o.receive(kAnn, Fetched{object(8), text("eight"), {}});
  NewTask task = o.task(1);
  task.references = {borrowed};
  const Entry* dependent = o.submit(std::move(task));
  dies(o, kAnn);
  EXPECT_EQ(content(*borrowed), "open");
  o.receive(standby_of(kAnn), NotReplicated{object(7)});
  EXPECT_EQ(content(*borrowed), "error object_lost");
  EXPECT_EQ(content(*dependent), "error object_lost");
  EXPECT_THAT(borrowed->value.error().message(), ::testing::HasSubstr("the process that owned it was killed"));
  EXPECT_EQ(content(*fetched), "value eight");
}

// In a worker: references inside arguments are the submitter's to cover until the reply names them.
TEST(OwnerBorrowing, TheReplyNamesWhatIsStillHeld) {
  RecordedOwner o;
  Entry* kept = o.call([&] { return o.owner().borrowing().import({object(7), kAnn}, false); });
  Entry* dropped = o.call([&] { return o.owner().borrowing().import({object(8), kAnn}, false); });
  detail::retain(kept);  // the task's own reference
  EXPECT_THAT(objects(o.owner().borrowing().kept_after_task({kept, dropped})), ElementsAre(object(7)));
  EXPECT_THAT(o.owner().borrowing().kept_after_task({kept, dropped}), IsEmpty()) << "it is announced";
  o.drop(dropped);
  o.drop(kept);
  EXPECT_THAT(o.log(), IsEmpty());
  o.drop(kept);
  EXPECT_THAT(o.log(), ElementsAre("to 5: gives back 7, 1 times"));
}

// A reference to an object of ours that was freed while the reference travelled: there are no books to enter it in.
TEST(OwnerBorrowing, WhatWasOursAndIsLostIsNeitherKeptNorGivenBack) {
  RecordedOwner o;
  Entry* lost = o.call([&] { return o.owner().borrowing().import({object(7), kSelf}, false); });
  EXPECT_TRUE(content(*lost).starts_with("error")) << content(*lost);
  detail::retain(lost);
  EXPECT_THAT(o.owner().borrowing().kept_after_task({lost}), IsEmpty());
  o.drop(lost);
  o.drop(lost);
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerBorrowing, WhatWasPassedOnCountsAsKept) {
  RecordedOwner o;
  Entry* imported = o.call([&] { return o.owner().borrowing().import({object(7), kAnn}, false); });
  add_borrower(o, imported, kBob);
  EXPECT_THAT(o.log(), ElementsAre("to 5: 7 borrowed by 6"));
  EXPECT_THAT(objects(o.owner().borrowing().kept_after_task({imported})), ElementsAre(object(7)));
  o.drop(imported);
  EXPECT_THAT(o.log(), ElementsAre("to 5: gives back 7, 1 times"));
}

}  // namespace
}  // namespace manta::owner
