#include "core/sched/placing.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

class PlacingTest : public testing::Test, protected WorkerSource, protected GrantEffects {
 protected:
  bool may_start(Time) const override { return starts_allowed; }
  void start(Outfit outfit, const std::vector<GpuShare>&) override { books.pool.add_starting(std::move(outfit)); }
  bool make_space(std::size_t) override { return false; }
  void set_idle(Worker& worker, Time now) override { books.pool.set_idle(worker, now); }
  void grant(ClientId submitter, const Grant& grant) override { granted.emplace_back(submitter, grant.worker); }
  void infeasible(ClientId submitter, ShapeIndex, const std::string&) override { refused.push_back(submitter); }
  Worker& starting() { return *books.pool.find(books.pool.all().begin()->first); }

  Books books{cpus(2)};
  bool starts_allowed = true;
  std::vector<std::pair<ClientId, ClientId>> granted;
  std::vector<ClientId> refused;
  Placing placing{books.ledger, books.demands, books.pool, books.leases, *this, *this};
};

TEST_F(PlacingTest, AnIdleWorkerIsReused) {
  const Worker& worker = books.idle_worker();
  books.want(1, cpus(1), 1);
  placing.serve(Time{0});
  EXPECT_EQ(granted, (std::vector{std::pair(ClientId{1}, worker.id)}));
  EXPECT_EQ(books.pool.size(), 1U);
}

TEST_F(PlacingTest, ABookingKeepsTheResourcesUntilTheWorkerHasStarted) {
  const Demand& demand = books.want(1, cpus(1), 1);
  placing.serve(Time{0});
  EXPECT_TRUE(granted.empty());
  EXPECT_EQ(books.ledger.available(), cpus(1));
  EXPECT_EQ(placing.bookings().count({}), 1U);
  placing.supply(starting(), kMs);
  EXPECT_EQ(granted.size(), 1U);
  EXPECT_EQ(demand.active, 1U);
  EXPECT_TRUE(placing.bookings().all().empty());
}

TEST_F(PlacingTest, WhatIsBookedBeyondTheDemandIsGivenBack) {
  Demand& demand = books.want(1, cpus(1), 2);
  placing.serve(Time{0});
  EXPECT_EQ(books.ledger.available(), cpus(0));
  books.demands.set_wanted(demand, 1, kMs);
  placing.trim(demand, kMs);
  EXPECT_EQ(books.ledger.available(), cpus(1));
  placing.supply(starting(), kMs);
  EXPECT_EQ(demand.active, 1U);
}

TEST_F(PlacingTest, AFailedStartGivesBackTheBookingAndTheDemandWaits) {
  const Demand& demand = books.want(1, cpus(1), 1);
  placing.serve(Time{0});
  books.pool.erase(starting());
  placing.start_failed({}, kMs);
  EXPECT_EQ(books.ledger.available(), cpus(2));
  EXPECT_TRUE(demand.waiting);
  placing.refuse_unstartable("it never starts", kMs);
  EXPECT_EQ(refused, std::vector{ClientId{1}});
  EXPECT_FALSE(books.demands.submits(ClientId{1}));
}

TEST_F(PlacingTest, WithoutAWorkerNoResourcesAreTaken) {
  starts_allowed = false;
  books.want(1, cpus(1), 1);
  placing.serve(Time{0});
  EXPECT_EQ(books.ledger.available(), cpus(2));
  EXPECT_TRUE(placing.bookings().all().empty());
}

}  // namespace
}  // namespace manta::sched
