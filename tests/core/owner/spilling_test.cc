// Owner: what may be spilled, and what brings it back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ClientId kOther{5};
constexpr std::uint64_t kAll = ~std::uint64_t{0};

Entry* submit_with(RecordedOwner& o, std::uint64_t number, Entry* argument) {
  NewTask task = o.task(number);
  task.references = {argument};
  task.ref_mask = 1;
  return o.submit(std::move(task));
}

Value block(std::uint64_t offset, ClientId arena = kSelf) { return Value::at({arena, offset, 100'000}, false); }
bool nobody_reads(const StoredLocation&) { return false; }

std::vector<std::uint64_t> spillable(RecordedOwner& o, std::uint64_t bytes = kAll) {
  std::vector<std::uint64_t> numbers;
  for (const Entry* entry : o.owner().spilling().spillable(bytes, nobody_reads)) numbers.push_back(entry->id.low);
  return numbers;
}
void spill(RecordedOwner& o, Entry* entry) {
  o.call([&] { o.owner().spilling().spilled(*entry, {entry->id.low * 4096, 100'000}); });
}

TEST(OwnerSpilling, TheOneUsedLongestAgoFirstAndNoMoreThanAskedFor) {
  RecordedOwner o;
  std::vector<Entry*> objects;
  for (std::uint64_t n = 1; n <= 4; ++n) objects.push_back(o.put(n, block(n)));
  o.put(9);  // not in the store
  EXPECT_THAT(spillable(o), ElementsAre(1, 2, 3, 4));
  o.owner().objects().used(*objects[0]);
  EXPECT_THAT(spillable(o), ElementsAre(2, 3, 4, 1));
  EXPECT_THAT(spillable(o, 100'001), ElementsAre(2, 3));
  EXPECT_THAT(spillable(o, 1), ElementsAre(2));
  const auto read = [](const StoredLocation& at) { return at.offset == 2; };
  EXPECT_EQ(o.owner().spilling().spillable(1, read).front(), objects[2]);
}

TEST(OwnerSpilling, TheBlockIsFreedAndTheExtentWithTheLastReference) {
  RecordedOwner o;
  Entry* object = o.put(1, block(64));
  spill(o, object);
  EXPECT_THAT(o.log(), ElementsAre("free 64"));
  EXPECT_EQ(content(*object), "extent 4096");
  EXPECT_THAT(spillable(o), IsEmpty());
  o.drop(object);
  EXPECT_THAT(o.log(), ElementsAre("free extent 4096"));
  EXPECT_EQ(o.live(), 0U);
}

// OWN-9
TEST(OwnerSpilling, NotWhatOthersHold) {
  RecordedOwner o;
  Entry* object = o.put(1, block(64));
  o.call([&] { o.owner().borrowing().add_borrower(*object, kOther); });
  EXPECT_THAT(spillable(o), IsEmpty());
  o.receive(kOther, RemoveBorrower{object->id, 1});
  EXPECT_THAT(spillable(o), ElementsAre(1));
  Entry* borrowed = o.borrow(7, kOther);
  o.receive(kOther, Fetched{owner::object(7), block(8, kOther), {}});
  EXPECT_EQ(content(*borrowed), "block 8");
  EXPECT_THAT(spillable(o), ElementsAre(1)) << "only what is our own";
}

// OWN-9
TEST(OwnerSpilling, NotWhatATaskInARingMayRead) {
  RecordedOwner o;
  Entry* deep = o.put(1, block(64));
  Entry* argument = o.put(2, block(128), {deep});
  Entry* inside = o.put(3, block(192));
  NewTask task = o.task(4);
  task.references = {argument};
  task.contained = {inside};
  detail::retain(inside);
  task.ref_mask = 1;
  o.submit(std::move(task));
  EXPECT_THAT(spillable(o), ElementsAre(1, 2, 3)) << "it waits for a lease";
  o.grant(1);
  EXPECT_THAT(spillable(o), IsEmpty());
  o.finish(o.start(1));
  EXPECT_THAT(spillable(o), ElementsAre(1, 2, 3));
}

TEST(OwnerSpilling, ArgumentsComeBackBeforeTheTaskIsPushed) {
  RecordedOwner o;
  Entry* argument = o.put(1, block(64));
  spill(o, argument);
  Entry* result = submit_with(o, 2, argument);
  o.room = false;
  o.log();
  FakeRing& ring = o.grant(1);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  o.submit(3);
  EXPECT_THAT(ring.unstarted(), IsEmpty()) << "until the next tick";
  o.tick();
  EXPECT_THAT(ring.unstarted(), ElementsAre(3)) << "others do not wait behind it";
  o.room = true;
  o.tick();
  EXPECT_THAT(o.log(), ::testing::IsSupersetOf({"restore 1", "free extent 4096"}));
  EXPECT_THAT(ring.unstarted(), ElementsAre(3, 2));
  o.run_all(1);
  EXPECT_EQ(content(*result), "value done");
}

TEST(OwnerSpilling, UnderPressureOnlyIdleWorkersHaveArgumentsInUse) {
  RecordedOwner o({.pressed_ticks = 3});
  std::vector<Entry*> arguments;
  FakeRing& ring = o.grant(1);
  for (std::uint64_t n = 1; n <= 4; ++n) {
    arguments.push_back(o.put(n, block(n)));
    NewTask task = o.task(10 + n);
    task.references = {arguments.back()};
    task.ref_mask = 1;
    o.submit(std::move(task));
  }
  Entry* running = o.start(1);
  EXPECT_THAT(spillable(o), IsEmpty());
  o.call([&] { o.owner().leases().pressed(); });
  EXPECT_THAT(spillable(o), ElementsAre(2, 3, 4));
  o.submit(20);
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  spill(o, arguments[1]);
  o.finish(running);
  EXPECT_THAT(ring.unstarted(), ElementsAre(12));
  EXPECT_THAT(spillable(o), ElementsAre(1, 3, 4));
  o.tick(3);
  EXPECT_THAT(ring.unstarted(), ElementsAre(12, 13, 14, 20)) << "it is over";
}

TEST(OwnerSpilling, TheLimitIsOfTimeHoweverLongATickTakes) {
  RecordedOwner o({.restore_ticks = 1000});
  Entry* argument = o.put(1, block(64));
  spill(o, argument);
  Entry* result = submit_with(o, 2, argument);
  o.room = false;
  o.grant(1);
  o.call([&] { o.owner().tick(false, 999); });
  EXPECT_EQ(content(*result), "open");
  o.call([&] { o.owner().tick(false, 1); });
  EXPECT_EQ(content(*result), "error exhausted");
}

TEST(OwnerSpilling, ATaskWhoseArgumentsFindNoSpaceFailsInTheEnd) {
  RecordedOwner o({.restore_ticks = 5});
  Entry* argument = o.put(1, block(64));
  spill(o, argument);
  Entry* result = submit_with(o, 2, argument);
  o.room = false;
  o.grant(1);
  o.tick(10);
  EXPECT_EQ(content(*result), "error exhausted");
  EXPECT_EQ(content(*argument), "extent 4096") << "nothing is lost";
}

// UNMET
TEST(OwnerSpilling, WhatFindsNoSpaceIsADemandForSoMuchOfTheStore) {
  RecordedOwner o;
  Entry* argument = o.put(1, block(64));
  o.call([&] { (void)o.owner().borrowing().export_ref(*argument); });
  spill(o, argument);
  Entry* result = submit_with(o, 2, argument);
  o.room = false;
  o.grant(1);
  o.tick();
  ASSERT_EQ(o.owner().unmet().size(), 1U);
  EXPECT_EQ(o.owner().unmet().front().space_bytes, 100'000U);
  const std::uint64_t progress = o.owner().unmet().front().progress;
  o.grant(2);
  EXPECT_EQ(o.owner().unmet().front().progress, progress) << "another lease brings no room";
  EXPECT_EQ(o.owner().obstacle(*result).space_bytes, 100'000U);
  o.receive(kOther, Fetch{argument->id});
  ASSERT_EQ(o.owner().unmet().size(), 2U) << "another process waits for the value";
  EXPECT_EQ(o.owner().unmet().back().space_bytes, 100'000U);
  EXPECT_EQ(o.owner().label_of(o.owner().unmet().back().index), "object " + argument->id.to_string());
  o.room = true;
  o.tick();
  EXPECT_TRUE(o.owner().unmet().empty());
}

TEST(OwnerSpilling, AnActorWhoseArgumentsFindNoSpaceFailsInTheEnd) {
  RecordedOwner o({.restore_ticks = 5});
  Entry* argument = o.put(1, block(64));
  spill(o, argument);
  NewActor actor = o.actor(2);
  actor.constructor.references = {argument};
  actor.constructor.ref_mask = 1;
  Entry* handle = o.create(std::move(actor));
  const Entry* call = o.call_method(handle, 3);
  o.room = false;
  o.grant_actor(1);
  o.tick(3);
  EXPECT_EQ(content(*call), "open");
  o.log();
  o.tick(7);
  EXPECT_EQ(content(*call), "error exhausted");
  EXPECT_THAT(o.log(), ::testing::Contains("return 1")) << "its worker is free for others";
  o.drop(handle);
  EXPECT_EQ(content(*argument), "extent 4096") << "nothing is lost";
}

TEST(OwnerSpilling, ARequestForASpilledValueIsAnsweredWhenThereIsSpace) {
  RecordedOwner o({.restore_ticks = 5});
  Entry* object = o.put(1, block(64));
  o.call([&] { (void)o.owner().borrowing().export_ref(*object); });
  spill(o, object);
  o.room = false;
  o.log();
  o.receive(kOther, Fetch{object->id});
  o.tick(2);
  EXPECT_THAT(o.log(), IsEmpty());
  EXPECT_TRUE(o.owner().busy()) << "it is asked again";
  o.room = true;
  o.tick();
  EXPECT_THAT(o.log(), ElementsAre("restore 1", "free extent 4096", "to 5: value of 1"));
  EXPECT_FALSE(o.owner().busy());
  spill(o, object);
  o.room = false;
  o.log();
  o.receive(kOther, Fetch{object->id});
  o.tick(10);
  EXPECT_THAT(o.log(), ElementsAre("to 5: error of 1"));
  o.drop(object);
  EXPECT_EQ(o.live(), 0U);
}

// OWN-8
TEST(OwnerSpilling, ADeadProcessMemoryIsNotNeededAnyMore) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  o.grant(1);
  Outcome outcome;
  outcome.value = block(64, ClientId{101});
  o.finish(o.start(1), std::move(outcome));
  o.call([&] { o.owner().client_died(ClientId{101}, "was killed"); });
  o.log();
  spill(o, task);
  EXPECT_THAT(o.log(), Contains("free 64"));
  EXPECT_EQ(content(*task), "extent 4096");
}

TEST(OwnerSpilling, WhatCannotBeReadBackFailsTheTasksThatNeedIt) {
  RecordedOwner o;
  Entry* argument = o.put(1, block(64));
  spill(o, argument);
  o.call([&] { o.owner().spilling().unreadable(*argument, Error(ErrorCode::object_lost, "the disk is gone")); });
  EXPECT_THAT(o.log(), ElementsAre("free 64", "free extent 4096"));
  EXPECT_EQ(content(*argument), "error object_lost");
  NewTask task = o.task(2);
  task.references = {argument};
  task.ref_mask = 1;
  EXPECT_EQ(content(*o.submit(std::move(task))), "error object_lost");
}

}  // namespace
}  // namespace manta::owner
