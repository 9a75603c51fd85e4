#include "core/sched/worker_lifetimes.h"

#include <optional>

#include "tests/core/sched/books.h"

namespace manta::sched {
namespace {

class WorkerLifetimesTest : public testing::Test, protected WorkerEffects {
 protected:
  void start_worker(ClientId worker, const std::vector<GpuShare>&, const std::string&) override {
    started.push_back(worker);
  }
  void kill_worker(ClientId worker) override { killed.push_back(worker); }
  void limit(std::uint32_t max_workers, std::uint32_t warm_workers) {
    lifetimes.emplace(
        books.pool, books.demands, WorkerLifetimes::Limits{max_workers, warm_workers, 100 * kMs, 1000 * kMs},
        [this](ClientId worker) { return worker == busy_elsewhere; }, static_cast<WorkerEffects&>(*this));
  }
  Worker& idle(Time now) {
    Worker& worker = books.pool.add_starting({});
    lifetimes->set_idle(worker, now);
    return worker;
  }

  Books books{cpus(4)};
  std::optional<WorkerLifetimes> lifetimes;
  ClientId busy_elsewhere;
  std::vector<ClientId> started, killed;
};

TEST_F(WorkerLifetimesTest, WarmWorkersAreStartedAndReplacedAfterAPause) {
  limit(4, 2);
  lifetimes->refill_warm(Time{0});
  EXPECT_EQ(started.size(), 2U);
  books.pool.erase(*books.pool.find(started[0]));
  lifetimes->died_unused(kMs);
  lifetimes->refill_warm(2 * kMs);
  EXPECT_EQ(started.size(), 2U);
  EXPECT_EQ(lifetimes->next_tick(), 1001 * kMs);
  lifetimes->refill_warm(1001 * kMs);
  EXPECT_EQ(started.size(), 3U);
}

TEST_F(WorkerLifetimesTest, AnIdleWorkerEndsUnlessAProcessNeedsIt) {
  limit(4, 0);
  const ClientId plain = idle(Time{0}).id;
  lifetimes->set_keep(idle(Time{0}), true, Time{0});
  busy_elsewhere = idle(Time{0}).id;
  books.want(idle(Time{0}).id.value, cpus(1), 1);
  lifetimes->end_idle(99 * kMs);
  EXPECT_TRUE(killed.empty());
  lifetimes->end_idle(100 * kMs);
  EXPECT_EQ(killed, std::vector{plain});
  EXPECT_EQ(lifetimes->next_tick(), 200 * kMs);
}

TEST_F(WorkerLifetimesTest, StartsPauseAfterThreeFailuresInARow) {
  limit(4, 0);
  EXPECT_FALSE(lifetimes->start_failed("no memory", Time{0}));
  EXPECT_FALSE(lifetimes->start_failed("no memory", Time{0}));
  EXPECT_TRUE(lifetimes->may_start(Time{0}));
  EXPECT_TRUE(lifetimes->start_failed("no memory", Time{0}));
  EXPECT_FALSE(lifetimes->may_start(999 * kMs));
  EXPECT_TRUE(lifetimes->may_start(1000 * kMs));
  lifetimes->started();
  EXPECT_TRUE(lifetimes->may_start(Time{0}));
  EXPECT_EQ(lifetimes->failures().last, "");
}

TEST_F(WorkerLifetimesTest, TheWorkerThatIsIdleForLongestGivesItsPlace) {
  limit(2, 0);
  const ClientId first = idle(Time{0}).id;
  EXPECT_FALSE(lifetimes->make_space(1)) << "there is a free place";
  idle(kMs);
  EXPECT_TRUE(lifetimes->make_space(1));
  EXPECT_TRUE(lifetimes->make_space(1)) << "the place will be free soon";
  EXPECT_EQ(killed, std::vector{first});
}

}  // namespace
}  // namespace manta::sched
