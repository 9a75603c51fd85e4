#include "core/sched/blocked_watch.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

class BlockedWatchTest : public testing::Test {
 protected:
  Books books{cpus(4)};
  BlockedWatch watch{books.ledger, books.demands.queue(), books.pool, books.leases, {1, 1000 * kMs}};
};

TEST_F(BlockedWatchTest, ItIsOverdueWhenAllWorkersHaveBeenBlockedForTheGrace) {
  Lease& lease = books.lease(books.want(1, cpus(1), 1));
  books.want(2, cpus(1), 1);
  EXPECT_FALSE(watch.overdue(Time{0}));
  EXPECT_EQ(watch.next_tick(), kNever) << "the worker runs";
  books.block(lease);
  EXPECT_FALSE(watch.overdue(kMs));
  EXPECT_EQ(watch.next_tick(), 1001 * kMs);
  EXPECT_FALSE(watch.overdue(1000 * kMs));
  EXPECT_TRUE(watch.overdue(1001 * kMs));
  watch.restart(1001 * kMs);
  EXPECT_FALSE(watch.overdue(1002 * kMs));
}

TEST_F(BlockedWatchTest, TheDemandsOfBlockedWorkersAreRefusedBeforeThoseOfDrivers) {
  const Lease& lease = books.lease(books.want(1, cpus(1), 1));
  Demand& of_driver = books.want(2, cpus(1), 1);
  books.want(3, cpus(4), 1);  // it lacks CPUs, too
  EXPECT_EQ(watch.victims(), std::vector{&of_driver});
  Demand& of_worker = books.want(lease.worker.value, cpus(1), 1);
  EXPECT_EQ(watch.victims(), std::vector{&of_worker});
}

}  // namespace
}  // namespace manta::sched
