// Bundles on one node (BUNDLE-1, BUNDLE-2).
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/sched/bundled_scheduler.h"

namespace manta::sched {
namespace {

constexpr ClientId kDriver{1}, kReservations{9'999};
constexpr Bundle kA{1, 0}, kB{1, 1};

ResourceSet cpus(double n, double gpus = 0) {
  ResourceSet set;
  set.cpus = Amount::from_units(static_cast<std::int64_t>(n * 10'000));
  set.gpus = Amount::from_units(static_cast<std::int64_t>(gpus * 10'000));
  return set;
}

class BundledSchedulerTest : public testing::Test, BundleEffects {
 protected:
  void SetUp() override { scheduler_.driver_joined(kDriver, now_); }
  void TearDown() override { EXPECT_EQ(scheduler_.check_invariants(), ""); }

  static NodeSchedulerConfig config() {
    NodeSchedulerConfig config;
    config.total = cpus(4, 4);
    config.first_client_id = 100;
    return config;
  }
  void want(ShapeIndex shape, const ResourceSet& request, const Bundle& bundle, std::uint32_t wanted = 1) {
    scheduler_.set_demand(kDriver, shape, request, bundle, wanted, now_);
    start();
  }
  void start() {
    while (!starting_.empty()) {
      const ClientId worker = *starting_.begin();
      starting_.erase(worker);
      scheduler_.worker_started(worker, now_);
    }
  }
  void die(ClientId worker) {
    killed_.erase(worker);
    scheduler_.client_left(worker, "killed", now_);
  }

  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string&) override {
    EXPECT_TRUE(ids_.insert(worker.value).second) << "BUNDLE-2";
    starting_.insert(worker);
    for (const GpuShare& gpu : gpus) gpus_[worker].insert(gpu.index);
  }
  void kill_worker(ClientId worker) override { killed_.insert(worker); }
  void grant(ClientId submitter, const Grant& grant) override {
    EXPECT_EQ(submitter, kDriver);
    EXPECT_TRUE(leases_.emplace(grant.lease, grant).second) << "BUNDLE-2";
    granted_[grant.shape].push_back(grant);
  }
  void lease_ended(ClientId, LeaseId lease, LeaseEnd, const std::string&) override { ended_.insert(lease); }
  void infeasible(ClientId, ShapeIndex shape, const std::string& why) override { refused_[shape] = why; }
  void ask_back(ClientId submitter, ShapeIndex, std::uint32_t) override { EXPECT_EQ(submitter, kDriver); }
  void close_ring(ClientId, ClientId) override {}
  void bundle_reserved(const Bundle& bundle, std::uint32_t attempt) override { reserved_[bundle] = attempt; }

  Time now_{0};
  BundledScheduler scheduler_{config(), kReservations, *this};
  std::set<ClientId> starting_, killed_;
  std::set<std::uint64_t> ids_;
  std::map<ClientId, std::set<std::uint32_t>> gpus_;
  std::map<LeaseId, Grant> leases_;
  std::map<ShapeIndex, std::vector<Grant>> granted_;
  std::set<LeaseId> ended_;
  std::map<ShapeIndex, std::string> refused_;
  std::map<Bundle, std::uint32_t> reserved_;
};

TEST_F(BundledSchedulerTest, TakesFromTheNodeAndGivesBack) {
  scheduler_.reserve(kA, 7, cpus(3), now_);
  EXPECT_EQ(reserved_, (std::map<Bundle, std::uint32_t>{{kA, 7}}));
  EXPECT_EQ(scheduler_.ledger().available().cpus, cpus(1).cpus);
  want(0, cpus(1), kA, 3);
  EXPECT_EQ(granted_[0].size(), 3U);
  want(1, cpus(1), {}, 3);
  EXPECT_EQ(granted_[1].size(), 1U);
  scheduler_.release(kA, "over", now_);
  EXPECT_EQ(killed_.size(), 3U);
  EXPECT_EQ(scheduler_.ledger().available().cpus, Amount()) << "BUNDLE-1: its workers are still there";
  for (const ClientId worker : std::set(killed_)) die(worker);
  EXPECT_EQ(ended_.size(), 3U);
  start();
  EXPECT_EQ(granted_[1].size(), 3U);
}

TEST_F(BundledSchedulerTest, WaitsForWhatIsTaken) {
  want(0, cpus(4), {});
  scheduler_.reserve(kA, 1, cpus(2), now_);
  EXPECT_TRUE(reserved_.empty());
  want(1, cpus(1), kA);
  EXPECT_TRUE(refused_.contains(1)) << "not reserved: no client sends demands for it";
  scheduler_.set_demand(kDriver, 0, cpus(4), {}, 0, now_);
  scheduler_.return_lease(kDriver, granted_[0][0].lease, now_);
  EXPECT_TRUE(reserved_.contains(kA));
}

TEST_F(BundledSchedulerTest, ReleasedWhileItWaits) {
  want(0, cpus(4), {});
  scheduler_.reserve(kA, 1, cpus(2), now_);
  scheduler_.release(kA, "elsewhere", now_);
  scheduler_.set_demand(kDriver, 0, cpus(4), {}, 0, now_);
  scheduler_.return_lease(kDriver, granted_[0][0].lease, now_);
  EXPECT_TRUE(reserved_.empty());
  EXPECT_EQ(scheduler_.ledger().available().cpus, cpus(4).cpus);
  scheduler_.reserve(kA, 2, cpus(2), now_);
  EXPECT_EQ(reserved_[kA], 2U);
}

TEST_F(BundledSchedulerTest, BundlesDoNotMix) {
  scheduler_.reserve(kA, 1, cpus(1, 1.0), now_);
  scheduler_.reserve(kB, 1, cpus(1, 0.5), now_);
  want(0, cpus(1, 1.0), kA);
  want(1, cpus(1, 0.5), kB);
  want(2, cpus(1, 1.0), {}, 2);
  EXPECT_EQ(granted_[2].size(), 2U);
  std::multiset<std::uint32_t> used;
  for (const auto& [worker, gpus] : gpus_) used.insert(gpus.begin(), gpus.end());
  EXPECT_EQ(used, (std::multiset<std::uint32_t>{0, 1, 2, 3}));
  want(3, cpus(1, 1.0), kB);
  EXPECT_TRUE(refused_.contains(3)) << "it has half a GPU";
  want(4, cpus(1), kA);
  EXPECT_EQ(granted_[4].size(), 0U);
  scheduler_.set_demand(kDriver, 0, {}, kA, 0, now_);
  scheduler_.return_lease(kDriver, granted_[0][0].lease, now_);
  start();
  EXPECT_EQ(granted_[4].size(), 1U);
}

// BUNDLE-3: as many as a placement group may have, more than there may be processes, in time linear in their number.
TEST_F(BundledSchedulerTest, TenThousandBundles) {
  constexpr std::uint32_t kBundles = 10'000;
  const auto start_time = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < kBundles; ++i) {
    scheduler_.reserve({7, i}, 1, cpus(0.0001), now_);
    scheduler_.tick(now_);
    (void)scheduler_.starving();
  }
  EXPECT_EQ(reserved_.size(), kBundles);
  for (std::uint32_t i = 0; i < 100; ++i) want(i, cpus(0.0001), {7, i * 100});
  EXPECT_EQ(leases_.size(), 100U);
  for (std::uint32_t i = 0; i < 100; ++i) {
    const Grant grant = granted_.at(i).front();
    EXPECT_EQ(scheduler_.worker_of(kDriver, grant.lease), grant.worker);
    scheduler_.blocked(grant.worker, now_);
    scheduler_.unblocked(grant.worker, now_);
    scheduler_.set_demand(kDriver, i, {}, {7, i * 100}, 0, now_);
    scheduler_.return_lease(kDriver, grant.lease, now_);
  }
  EXPECT_EQ(leases_.size(), 100U) << "none was granted again";
  EXPECT_EQ(scheduler_.check_invariants(), "");
  for (std::uint32_t i = 0; i < kBundles; ++i) scheduler_.release({7, i}, "over", now_);
  for (const ClientId worker : std::set(killed_)) die(worker);
  EXPECT_EQ(scheduler_.ledger().available().cpus, cpus(4).cpus);
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, std::chrono::seconds(5));
}

TEST_F(BundledSchedulerTest, WhatWaitsIsRefusedAtTheEnd) {
  scheduler_.reserve(kA, 1, cpus(1), now_);
  want(0, cpus(1), kA, 2);
  want(1, cpus(0.5), kA);
  scheduler_.release(kA, "its placement group was removed", now_);
  EXPECT_EQ(refused_[0], "its placement group was removed");
  EXPECT_EQ(refused_[1], "its placement group was removed");
  want(2, cpus(1), kA);
  EXPECT_TRUE(refused_.contains(2));
  die(*killed_.begin());
  EXPECT_TRUE(starting_.empty());
  EXPECT_EQ(scheduler_.ledger().available().cpus, cpus(4).cpus);
  want(3, cpus(1), kA);
  EXPECT_NE(refused_[3].find("not on this node"), std::string::npos);
}

// An idle worker of a bundle whose task has left tasks elsewhere behind is not ended for being idle.
TEST_F(BundledSchedulerTest, WorkersThatSubmitElsewhereStay) {
  scheduler_.reserve(kA, 1, cpus(1), now_);
  want(0, cpus(1), kA);
  const ClientId worker = granted_[0][0].worker;
  scheduler_.set_demand(worker, 0, cpus(4, 4.0), {}, 1, now_);  // waits: the bundle has one of the CPUs
  scheduler_.set_demand(kDriver, 0, {}, kA, 0, now_);
  scheduler_.return_lease(kDriver, granted_[0][0].lease, now_);
  now_ += std::chrono::minutes(1);
  scheduler_.tick(now_);
  EXPECT_FALSE(killed_.contains(worker));
  scheduler_.set_demand(worker, 0, {}, {}, 0, now_);
  now_ += std::chrono::minutes(1);
  scheduler_.tick(now_);
  EXPECT_TRUE(killed_.contains(worker));
}

}  // namespace
}  // namespace manta::sched
