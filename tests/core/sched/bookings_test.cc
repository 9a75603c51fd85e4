#include "core/sched/bookings.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

TEST(Bookings, AUsedWorkerTakesTheOldestThatIsNoActors) {
  Books books(cpus(4));
  ResourceSet actor = cpus(1);
  actor.own_worker = true;
  Demand& of_actor = books.want(1, actor, 1);
  Demand& of_task = books.want(2, cpus(1), 1);
  Bookings bookings;
  bookings.add({}, {&of_actor, {}, 1});
  bookings.add({}, {&of_task, {}, 2});
  Worker& worker = books.idle_worker();
  worker.used = true;
  EXPECT_EQ(bookings.take_oldest(worker)->demand, &of_task);
  EXPECT_FALSE(bookings.take_oldest(worker));
  worker.used = false;
  EXPECT_EQ(bookings.take_oldest(worker)->demand, &of_actor);
  EXPECT_TRUE(bookings.all().empty());
}

TEST(Bookings, TheNewestIsTakenOfAnOutfitOrOfADemand) {
  Books books(cpus(4));
  Demand& first = books.want(1, cpus(1), 2);
  Demand& second = books.want(2, cpus(1), 1);
  const Outfit plain, other{{}, "A=1", false};
  Bookings bookings;
  bookings.add(plain, {&first, {}, 1});
  bookings.add(plain, {&first, {}, 2});
  bookings.add(plain, {&second, {}, 3});
  bookings.add(other, {&second, {}, 4});
  EXPECT_EQ(bookings.count(plain), 3U);
  EXPECT_EQ(bookings.take_newest(first)->arrival, 2U);
  EXPECT_EQ(bookings.take_newest(other)->arrival, 4U);
  EXPECT_FALSE(bookings.take_newest(other));
  EXPECT_EQ(bookings.take_newest(plain)->arrival, 3U);
  EXPECT_FALSE(bookings.take_newest(second));
}

}  // namespace
}  // namespace manta::sched
