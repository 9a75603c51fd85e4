#include "core/sched/demands.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

constexpr std::int64_t kOneCpu = 10'000;

TEST(Demands, CountersQueueAndSharesChangeTogether) {
  Books books(cpus(4));
  Demand& demand = books.want(1, cpus(1), 2);
  EXPECT_TRUE(demand.waiting);
  EXPECT_TRUE(books.demands.queue().starving());
  Lease& lease = books.lease(demand);
  EXPECT_EQ(books.demands.held(ClientId{1}, 0), 1U);
  EXPECT_EQ(books.demands.fair().held(kCpus, ClientId{1}), kOneCpu);
  EXPECT_FALSE(books.demands.queue().starving()) << "it has one lease";
  books.lease(demand);
  EXPECT_FALSE(demand.waiting);
  books.block(lease);
  EXPECT_TRUE(demand.waiting) << "another lease may take the place of the blocked one";
  EXPECT_EQ(books.demands.fair().held(kCpus, ClientId{1}), kOneCpu);
  books.demands.lease_closed(lease, true, Time{0});
  EXPECT_EQ(books.demands.held(ClientId{1}, 0), 1U);
}

TEST(Demands, ADemandThatWantsAndHoldsNothingIsDropped) {
  Books books(cpus(4));
  Demand& demand = books.want(1, cpus(1), 1);
  Lease& lease = books.lease(demand);
  books.demands.set_wanted(demand, 0, Time{0});
  books.demands.drop_if_unused(demand);
  EXPECT_TRUE(books.demands.submits(ClientId{1})) << "it holds a lease";
  books.demands.lease_closed(lease, true, Time{0});
  EXPECT_FALSE(books.demands.submits(ClientId{1}));
  EXPECT_EQ(books.demands.find(ClientId{1}, 0), nullptr);
  EXPECT_TRUE(books.demands.queue().shapes().empty());
}

TEST(Demands, AnActorsDemandEndsWithItsLease) {  // SCHED-9
  Books books(cpus(4));
  ResourceSet actor = cpus(1);
  actor.own_worker = true;
  Lease& lease = books.lease(books.want(1, actor, 1));
  books.demands.lease_closed(lease, false, Time{0});
  EXPECT_EQ(books.demands.find(ClientId{1}, 0), nullptr);
}

TEST(Demands, ACancelledBookingTakesItsOldPlace) {
  Books books(cpus(4));
  Demand& first = books.want(1, cpus(1), 1);
  Demand& second = books.want(2, cpus(1), 1);
  const std::uint64_t arrival = books.demands.served(first);
  books.demands.booked(first, Time{0});
  EXPECT_EQ(books.demands.queue().fronts().begin()->second, &second);
  books.demands.booking_cancelled(first, arrival, Time{0});
  EXPECT_EQ(books.demands.queue().fronts().begin()->second, &first);
}

TEST(Demands, AClientThatLeavesLeavesNothingBehind) {
  Books books(cpus(4));
  Lease& lease = books.lease(books.want(1, cpus(1), 3));
  books.demands.asked_back(*lease.demand, Time{0});
  books.demands.lease_closing(lease);
  books.leases.set_closing(lease, kMs);
  books.demands.leave(ClientId{1}, Time{0});
  EXPECT_EQ(books.demands.client(ClientId{1}), nullptr);
  EXPECT_TRUE(books.demands.queue().empty());
  EXPECT_TRUE(books.demands.fair().holdings(kCpus).empty());
}

}  // namespace
}  // namespace manta::sched
