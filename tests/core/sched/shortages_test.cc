#include "core/sched/shortages.h"

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

class ShortagesTest : public testing::Test {
 protected:
  Books books{cpus(1)};
  StartFailures failures;
  Shortages shortages{books.ledger, books.demands, books.pool, books.leases, failures, 2};
};

TEST_F(ShortagesTest, TheLeasesThatHoldWhatIsLackingAreListed) {
  const Lease& lease = books.lease(books.want(1, cpus(1), 1), kMs);
  books.want(2, cpus(1), 1);
  const Shortage shortage = shortages.of(ClientId{2}, 0);
  EXPECT_EQ(shortage.what, "asks for CPU: 1, of CPU: 1 here 0 is free");
  EXPECT_EQ(shortage.advice, "end what holds it, let it hold less, or raise InitOptions::num_cpus");
  ASSERT_EQ(shortage.holders.size(), 1U);
  EXPECT_EQ(shortage.holders[0].worker, lease.worker);
  EXPECT_EQ(shortage.holders[0].since, kMs);
  EXPECT_EQ(shortages.of(ClientId{1}, 0).what, "") << "it has what it wants";
  EXPECT_EQ(shortages.of(ClientId{3}, 0).what, "") << "it is unknown";
}

TEST_F(ShortagesTest, TheReasonIsTheFirstThatIsLacking) {
  books.want(1, cpus(1), 1);
  EXPECT_EQ(shortages.why_waiting(ClientId{1}),
            "what it asks for (CPU: 1) is kept free for a bigger request that has waited longer");
  books.pool.add_starting({});
  EXPECT_EQ(shortages.why_waiting(ClientId{1}), "a worker process is being started");
  failures = {1, "no memory"};
  EXPECT_EQ(shortages.why_waiting(ClientId{1}),
            "the last attempt to start a worker process failed with \"no memory\"; it is tried again");
  books.pool.add_starting({});
  EXPECT_EQ(shortages.why_waiting(ClientId{1}),
            "all 2 worker processes of this node are in use, 0 of them blocked in get (InitOptions::max_workers)");
}

}  // namespace
}  // namespace manta::sched
