#include "core/sched/asking_back.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

class AskingBackTest : public testing::Test, protected AskEffects {
 protected:
  void ask_back(ClientId submitter, ShapeIndex, std::uint32_t count) override {
    asked.emplace_back(submitter.value, count);
  }

  Books books{cpus(2)};
  std::vector<std::pair<std::uint64_t, std::uint32_t>> asked;
  AskingBack asking{books.ledger, books.demands, books.pool, books.leases, {16, 50 * kMs}, *this};
};

using Asked = std::vector<std::pair<std::uint64_t, std::uint32_t>>;

TEST_F(AskingBackTest, LeasesBeyondTheFairShareAreAskedForAtOnce) {
  Demand& holder = books.want(1, cpus(1), 2);
  books.lease(holder);
  books.lease(holder);
  books.want(2, cpus(1), 2);
  asking.after_serving(Time{0});
  EXPECT_EQ(asked, (Asked{{1, 1}}));
  asking.after_serving(Time{0});
  EXPECT_EQ(asked.size(), 1U) << "one was asked for already";
}

TEST_F(AskingBackTest, ADemandWithoutALeaseTakesItsTurn) {
  books.lease(books.want(1, cpus(1), 1));
  books.lease(books.want(2, cpus(1), 1));
  books.want(3, cpus(1), 1);
  asking.after_serving(Time{0});
  asking.schedule_turn(Time{0});
  EXPECT_TRUE(asked.empty()) << "each holds one lease";
  EXPECT_EQ(asking.next_tick(), 50 * kMs);
  asking.tick(50 * kMs);
  EXPECT_EQ(asked, (Asked{{1, 1}})) << "the one that was granted first";
}

TEST_F(AskingBackTest, ReleasedCpusAreAskedForATurnAfterTheTaskHasGoneOn) {
  Lease& lease = books.lease(books.want(1, cpus(2), 1));
  books.block(lease);
  books.lease(books.want(2, cpus(2), 1));
  books.ledger.take_back_cpus(lease.allocation);
  books.leases.set_blocked(lease, false);
  books.demands.lease_unblocked(*lease.demand, Time{0});
  asking.after_serving(Time{0});
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(asking.next_tick(), 50 * kMs);
  asking.tick(50 * kMs);
  EXPECT_EQ(asked.size(), 1U);
}

}  // namespace
}  // namespace manta::sched
