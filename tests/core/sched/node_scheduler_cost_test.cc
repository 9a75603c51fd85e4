// What an event costs with 2,000 workers and 1,000 clients that all want more. Printed, not asserted.
#include <chrono>
#include <cstdio>
#include <deque>

#include <gtest/gtest.h>

#include "core/sched/node_scheduler.h"

namespace manta::sched {
namespace {

struct Node final : NodeSchedulerEffects {
  void start_worker(ClientId worker, const std::vector<GpuShare>&, const std::string&) override {
    starting.push_back(worker);
  }
  void kill_worker(ClientId) override {}
  void grant(ClientId submitter, const Grant& grant) override { held.emplace_back(submitter, grant.lease); }
  void lease_ended(ClientId, LeaseId, LeaseEnd, const std::string&) override {}
  void infeasible(ClientId, ShapeIndex, const std::string&) override {}
  void ask_back(ClientId, ShapeIndex, std::uint32_t) override {}
  void close_ring(ClientId, ClientId) override {}
  std::vector<ClientId> starting;
  std::deque<std::pair<ClientId, LeaseId>> held;
};

ResourceSet cpus(std::int64_t n) { return {.cpus = Amount::from_units(n * 10'000)}; }

// kinds: how many different requests there are.
void measure(std::int64_t kinds) {
  constexpr int kClients = 1000;
  constexpr int kEvents = 50'000;
  Node node;
  ResourceSet total = cpus(2000);
  total.memory_bytes = 1'000'000;
  NodeScheduler scheduler({.total = total, .first_client_id = 10'000}, node);
  const Time now{0};
  const auto request = [&](int client) {
    ResourceSet set = cpus(1);
    set.memory_bytes = static_cast<std::uint64_t>(client % kinds);
    return set;
  };
  for (int i = 1; i <= kClients; ++i) {
    scheduler.driver_joined(ClientId{static_cast<std::uint64_t>(i)}, now);
    scheduler.set_demand(ClientId{static_cast<std::uint64_t>(i)}, 0, request(i), 20, now);
    for (ClientId worker : std::exchange(node.starting, {})) scheduler.worker_started(worker, now);
  }
  ASSERT_EQ(node.held.size(), 2000U);
  const auto microseconds = [](auto duration) { return std::chrono::duration<double, std::micro>(duration).count(); };
  const auto clock = [] { return std::chrono::steady_clock::now(); };

  const auto start = clock();
  for (int i = 0; i < kEvents; ++i) {
    const auto [client, lease] = node.held.front();
    node.held.pop_front();
    scheduler.return_lease(client, lease, now);
  }
  const auto returned = clock();
  for (int i = 0; i < kEvents; ++i) {
    const int client = 1 + i % kClients;
    scheduler.set_demand(ClientId{static_cast<std::uint64_t>(client)}, 0, request(client), 10 + i % 3, now);
  }
  const auto demanded = clock();
  scheduler.tick(Time{1'000'000'000});
  const auto ticked = clock();
  EXPECT_EQ(node.held.size(), 2000U);
  EXPECT_EQ(scheduler.check_invariants(), "");
  std::printf(
      "%4lld kinds of request: return_lease with its grant %.2f us, set_demand %.2f us, tick with turns %.0f us\n",
      static_cast<long long>(kinds), microseconds(returned - start) / kEvents,
      microseconds(demanded - returned) / kEvents, microseconds(ticked - demanded));
}

TEST(NodeSchedulerCost, TwoThousandWorkersAThousandClients) {
  measure(1);
  measure(10);
  measure(1000);
}

}  // namespace
}  // namespace manta::sched
