// Which node gets which share of a demand (CSCHED-1 to CSCHED-3).
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "core/sched/cluster_scheduler.h"

namespace manta::sched {
namespace {

constexpr NodeId kSelf{1}, kB{2}, kC{3};
constexpr ClientId kClient = client_of(kSelf, 1);

ResourceSet cpus(std::int64_t n, const std::string& named = "") {
  ResourceSet set;
  set.cpus = Amount::from_units(n * 10'000);
  if (!named.empty()) set.named.push_back({named, Amount::from_units(10'000)});
  return set;
}

class Recorded : public ClusterSchedulerEffects {
 public:
  void set_share(NodeId node, ClientId client, ShapeIndex shape, const ResourceSet&, const Bundle& bundle,
                 std::uint32_t wanted) override {
    bundles[{client, shape}] = bundle;
    shares[{client, shape}][node] = wanted;
    if (wanted == 0) shares[{client, shape}].erase(node);
    ++calls;
  }
  std::uint32_t held_here(ClientId, ShapeIndex) override { return held; }
  void refuse(ClientId client, ShapeIndex shape, const std::string& why) override {
    refused[{client, shape}] = why;
  }
  std::map<std::pair<ClientId, ShapeIndex>, std::map<NodeId, std::uint32_t>> shares;
  std::map<std::pair<ClientId, ShapeIndex>, std::string> refused;
  std::map<std::pair<ClientId, ShapeIndex>, Bundle> bundles;
  int calls = 0;
  std::uint32_t held = 0;
};

class ClusterSchedulerTest : public testing::Test {
 protected:
  using Shares = std::map<NodeId, std::uint32_t>;
  void SetUp() override {
    scheduler.node_joined(kSelf, "self", cpus(4));
    scheduler.node_joined(kB, "b", cpus(4, "license"));
    scheduler.node_joined(kC, "c", cpus(8));
  }
  Shares want(std::uint32_t wanted, const ResourceSet& request = cpus(1), const Where& where = {}, ShapeIndex shape = 0) {
    scheduler.set_demand(kClient, shape, request, where, wanted);
    return effects.shares[{kClient, shape}];
  }
  Recorded effects;
  ClusterScheduler scheduler{kSelf, effects};
};

TEST_F(ClusterSchedulerTest, PackStaysAtHomeWhileThereIsRoom) {
  EXPECT_EQ(want(1), (Shares{{kSelf, 1}}));
  EXPECT_EQ(want(4), (Shares{{kSelf, 4}}));
}

TEST_F(ClusterSchedulerTest, PackThenTheFullestFirst) {
  scheduler.view(kB, cpus(3));
  scheduler.view(kC, cpus(2));  // fuller
  EXPECT_EQ(want(5), (Shares{{kSelf, 4}, {kC, 1}}));
  EXPECT_EQ(want(8), (Shares{{kSelf, 4}, {kC, 2}, {kB, 2}}));
}

TEST_F(ClusterSchedulerTest, WhatFitsNowhereWaitsAtHome) {
  EXPECT_EQ(want(64), (Shares{{kSelf, 52}, {kB, 4}, {kC, 8}}));
}

TEST_F(ClusterSchedulerTest, LeasesHeldCountAsRoom) {
  want(6);
  effects.held = 4;
  for (std::uint64_t n = 1; n <= 2; ++n) scheduler.granted({(kB.value << 40) + n}, kClient, 0);
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kB, cpus(2));
  const auto before = effects.shares[{kClient, 0}];
  const int calls = effects.calls;
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), before);
  EXPECT_EQ(effects.calls, calls);  // nothing is said that has not changed
  scheduler.lease_over({(kB.value << 40) + 1});
  scheduler.lease_over({(kB.value << 40) + 2});
  EXPECT_EQ(want(4), (Shares{{kSelf, 4}}));
}

// A worker is being started there for it: what that takes is gone from what is left, and no lease is known yet.
TEST_F(ClusterSchedulerTest, WhatIsBookedThereStaysThere) {
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kC, cpus(0));
  EXPECT_EQ(want(2), (Shares{{kB, 2}}));
  scheduler.view(kB, cpus(2), {{{kClient, 0}, 2}});
  scheduler.view(kSelf, cpus(1));
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), (Shares{{kB, 2}}));  // although there is room at home again
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kB, cpus(0), {{{kClient, 0}, 2}});
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), (Shares{{kB, 2}}));
}

TEST_F(ClusterSchedulerTest, WhatWaitsMovesWhereThereIsRoom) {
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kB, cpus(0));
  scheduler.view(kC, cpus(0));
  EXPECT_EQ(want(2), (Shares{{kSelf, 2}}));
  scheduler.view(kB, cpus(1));
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), (Shares{{kSelf, 1}, {kB, 1}}));
}

TEST_F(ClusterSchedulerTest, SpreadIsEven) {
  const Where spread{Placement::spread, {}, false};
  EXPECT_EQ(want(3, cpus(1), spread), (Shares{{kSelf, 1}, {kB, 1}, {kC, 1}}));
  EXPECT_EQ(want(12, cpus(1), spread), (Shares{{kSelf, 4}, {kB, 4}, {kC, 4}}));
  EXPECT_EQ(want(14, cpus(1), spread), (Shares{{kSelf, 4}, {kB, 4}, {kC, 6}}));
  std::map<NodeId, int> firsts;  // one at a time: in turns
  for (int i = 0; i < 9; ++i) {
    want(0, cpus(1), spread);
    for (const auto& [node, share] : want(1, cpus(1), spread)) ++firsts[node];
  }
  EXPECT_EQ(firsts, (std::map<NodeId, int>{{kSelf, 3}, {kB, 3}, {kC, 3}}));
}

TEST_F(ClusterSchedulerTest, OnlyWhereItCanRun) {
  EXPECT_EQ(want(3, cpus(1, "license")), (Shares{{kB, 3}}));
  EXPECT_EQ(want(2, cpus(5), {}, 1), (Shares{{kC, 2}}));
  EXPECT_TRUE(want(1, cpus(9), {}, 2).empty());
  EXPECT_NE((effects.refused[{kClient, 2}]).find("CPU: 9"), std::string::npos);
  EXPECT_EQ(effects.refused.size(), 1U);
}

TEST_F(ClusterSchedulerTest, Affinity) {
  EXPECT_EQ(want(9, cpus(1), {Placement::pack, kB, false}), (Shares{{kB, 9}}));
  EXPECT_TRUE(want(1, cpus(5), {Placement::pack, kB, false}, 1).empty());
  EXPECT_NE((effects.refused[{kClient, 1}]).find("b (node 2"), std::string::npos);
  EXPECT_EQ(want(1, cpus(5), {Placement::pack, kB, true}, 2), (Shares{{kC, 1}}));
  EXPECT_TRUE(want(1, cpus(1), {Placement::pack, NodeId{9}, false}, 3).empty());
  EXPECT_NE((effects.refused[{kClient, 3}]).find("node 9"), std::string::npos);
}

TEST_F(ClusterSchedulerTest, ADeadNodesShareGoesElsewhere) {
  want(6);
  want(2, cpus(1, "license"), {}, 1);
  want(1, cpus(1), {Placement::pack, kB, true}, 2);
  scheduler.granted({(kB.value << 40) + 1}, kClient, 0);
  effects.shares.clear();
  scheduler.node_left(kB);
  EXPECT_EQ(scheduler.share(kB, kClient, 0), 0U);
  EXPECT_EQ(scheduler.share(kSelf, kClient, 0) + scheduler.share(kC, kClient, 0), 6U);
  EXPECT_TRUE(effects.refused.contains({kClient, 1}));
  EXPECT_EQ(scheduler.share(kSelf, kClient, 2), 1U);
}

TEST_F(ClusterSchedulerTest, Random) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    const auto run = [&] {
      std::mt19937 random(seed);
      Recorded seen;
      ClusterScheduler s(kSelf, seen);
      std::map<NodeId, std::int64_t> alive{{kSelf, 4}};
      std::map<ShapeIndex, std::uint32_t> wanted;
      std::vector<LeaseId> leases;
      s.node_joined(kSelf, "self", cpus(4));
      std::uint64_t next_node = 2, next_lease = 1;
      for (int step = 0; step < 300; ++step) {
        const auto shape = static_cast<ShapeIndex>(random() % 4);
        switch (random() % 7) {
          case 0:
            if (alive.size() < 6) {
              alive[NodeId{next_node}] = 1 + random() % 8;
              s.node_joined(NodeId{next_node}, "n", cpus(alive[NodeId{next_node}]));
              ++next_node;
            }
            break;
          case 1:
            if (alive.size() > 1) {
              const NodeId victim = std::next(alive.begin(), 1)->first;
              alive.erase(victim);
              s.node_left(victim);
            }
            break;
          case 2:
            for (const auto& [node, all] : alive) s.view(node, cpus(static_cast<std::int64_t>(random() % (all + 1))));
            s.replan();
            break;
          case 3:
            for (const auto& [node, share] : seen.shares[{kClient, shape}]) {
              const LeaseId lease{(node.value << 40) + next_lease++};
              s.granted(lease, kClient, shape);
              leases.push_back(lease);
              break;
            }
            break;
          case 4:
            if (!leases.empty()) {
              s.lease_over(leases.back());
              leases.pop_back();
            }
            break;
          default:
            wanted[shape] = random() % 20;
            s.set_demand(kClient, shape, cpus(1 + shape % 2), {shape < 2 ? Placement::pack : Placement::spread, {}, false},
                         wanted[shape]);
        }
        for (const auto& [shape_of, want] : wanted) {
          std::uint32_t sum = 0;
          for (const auto& [node, all] : alive) {
            const std::uint32_t share = s.share(node, kClient, shape_of);
            EXPECT_TRUE(share == 0 || all >= 1 + shape_of % 2) << "CSCHED-2, seed " << seed;
            sum += share;
          }
          EXPECT_EQ(sum, want) << "CSCHED-1, seed " << seed << " step " << step;
        }
        if (testing::Test::HasFailure()) return std::tuple(seen.shares, seen.calls);
      }
      return std::tuple(seen.shares, seen.calls);
    };
    EXPECT_EQ(run(), run()) << "CSCHED-3, seed " << seed;
  }
}

}  // namespace
}  // namespace manta::sched
