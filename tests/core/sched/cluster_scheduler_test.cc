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
  void refuse(ClientId client, ShapeIndex shape, const std::string& why) override { refused[{client, shape}] = why; }
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
  Shares want(std::uint32_t wanted, const ResourceSet& request = cpus(1), const Where& where = {},
              ShapeIndex shape = 0) {
    scheduler.set_demand(kClient, shape, request, where, wanted);
    return effects.shares[{kClient, shape}];
  }
  Recorded effects;
  ClusterScheduler scheduler{kSelf, effects};
};

TEST_F(ClusterSchedulerTest, PackStaysAtHomeWhileItFits) {
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

TEST_F(ClusterSchedulerTest, LeasesHeldCountAsCapacity) {
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
TEST_F(ClusterSchedulerTest, WhatIsGrantedThereStaysThere) {
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kC, cpus(0));
  EXPECT_EQ(want(2), (Shares{{kB, 2}}));
  scheduler.view(kB, cpus(2), {{{kClient, 0}, 2}});
  scheduler.view(kSelf, cpus(1));
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), (Shares{{kB, 2}}));  // although they fit at home again
  scheduler.view(kSelf, cpus(0));
  scheduler.view(kB, cpus(0), {{{kClient, 0}, 2}});
  scheduler.replan();
  EXPECT_EQ((effects.shares[{kClient, 0}]), (Shares{{kB, 2}}));
}

TEST_F(ClusterSchedulerTest, WhatWaitsMovesWhereItFits) {
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

// CSCHED-4. Actors: a demand of its own for each; shape: its number.
class SpreadActors : public testing::Test {
 protected:
  static constexpr std::uint32_t kActors = 40;
  void join(std::uint64_t node, std::int64_t all) { scheduler.node_joined(NodeId{node}, "n", cpus(all)); }
  void want(std::uint32_t first, std::uint32_t last, std::int64_t each) {
    for (std::uint32_t i = first; i < last; ++i) {
      scheduler.set_demand(kClient, 1000 + i, cpus(each), {Placement::spread, {}, false}, 1);
    }
  }
  void grant(std::uint32_t actor) {
    for (const auto& [node, share] : effects.shares[{kClient, 1000 + actor}]) {
      scheduler.granted({(node.value << 40) + ++leases}, kClient, 1000 + actor);
    }
  }
  std::map<NodeId, int> where(std::uint32_t first = 0, std::uint32_t last = kActors) {
    std::map<NodeId, int> seen;
    for (std::uint32_t i = first; i < last; ++i) {
      for (const auto& [node, share] : effects.shares[{kClient, 1000 + i}]) seen[node] += static_cast<int>(share);
    }
    return seen;
  }
  const std::map<NodeId, int> even{{NodeId{1}, 10}, {NodeId{2}, 10}, {NodeId{3}, 10}, {NodeId{4}, 10}};
  std::uint64_t leases = 0;
  Recorded effects;
  ClusterScheduler scheduler{kSelf, effects};
};

TEST_F(SpreadActors, AreEvenWhateverTheyNeedAndHoweverOftenItIsPlannedAnew) {
  for (const std::int64_t each : {0, 1}) {
    scheduler.client_left(kClient);
    effects.shares.clear();
    for (std::uint64_t node = 1; node <= 4; ++node) join(node, 10);
    for (std::uint32_t i = 0; i < kActors; ++i) {
      want(i, i + 1, each);
      if (i % 3 == 0) scheduler.replan();
      if (i % 2 == 0) grant(i);
    }
    EXPECT_EQ(where(), even) << each;
    const auto before = effects.shares;
    for (int i = 0; i < 20; ++i) scheduler.replan();
    EXPECT_EQ(effects.shares, before) << "nothing moves";
    want(kActors, kActors + 1, each);  // nor where it cannot be even
    const auto uneven = effects.shares;
    for (int i = 0; i < 20; ++i) scheduler.replan();
    EXPECT_EQ(effects.shares, uneven);
  }
}

TEST_F(SpreadActors, AreEvenWhenNodesJoinLate) {
  join(1, 10);
  want(0, kActors, 0);
  EXPECT_EQ(where(), (std::map<NodeId, int>{{NodeId{1}, 40}}));
  for (std::uint64_t node = 2; node <= 4; ++node) join(node, 10);
  EXPECT_EQ(where(), even) << "none has started";
}

TEST_F(SpreadActors, ThatHaveStartedStayAndOthersMakeUpForIt) {
  join(1, 10);
  want(0, 10, 0);
  effects.held = 1;
  for (std::uint32_t i = 0; i < 10; ++i) grant(i);
  for (std::uint64_t node = 2; node <= 4; ++node) join(node, 10);
  EXPECT_EQ(where(0, 10), (std::map<NodeId, int>{{NodeId{1}, 10}}));
  effects.held = 0;
  want(10, kActors, 0);
  EXPECT_EQ(where(10, kActors).size(), 3U);
  EXPECT_EQ(where(10, kActors)[NodeId{1}], 0);
  for (const auto& [node, actors] : where(10, kActors)) EXPECT_EQ(actors, node == NodeId{1} ? 0 : 10);
}

TEST_F(SpreadActors, OfADeadNodeGoEvenlyToTheOthers) {
  for (std::uint64_t node = 1; node <= 4; ++node) join(node, 10);
  want(0, kActors, 0);
  scheduler.node_left(NodeId{4});
  for (const auto& [node, actors] : where()) {
    if (node != NodeId{4}) {  // no shares are sent to the dead one
      EXPECT_NEAR(actors, 13, 1) << node.value;
    }
  }
  want(0, 0, 0);
  scheduler.set_demand(kClient, 1000, cpus(0), {Placement::spread, {}, false}, 0);
  EXPECT_TRUE((effects.shares[{kClient, 1000}].empty()));
}

// CSCHED-5
class WeightlessActors : public ClusterSchedulerTest {
 protected:
  void create(std::uint32_t first, std::uint32_t last, const Where& where = {}) {
    ResourceSet nothing;
    nothing.own_worker = true;
    for (std::uint32_t i = first; i < last; ++i) want(1, nothing, where, 1000 + i);
  }
  void start(std::uint32_t actor) {
    for (const auto& [node, share] : effects.shares[{kClient, 1000 + actor}]) {
      leases[actor] = {(node.value << 40) + 1 + actor};
      scheduler.granted(leases[actor], kClient, 1000 + actor);
    }
  }
  std::map<NodeId, int> where() const {
    std::map<NodeId, int> seen;
    for (const auto& [demand, shares] : effects.shares) {
      for (const auto& [node, share] : shares) seen[node] += static_cast<int>(share);
    }
    return seen;
  }
  std::map<std::uint32_t, LeaseId> leases;
};

TEST_F(WeightlessActors, FillHomeThenOthersThenAllEvenly) {
  create(0, 4);
  EXPECT_EQ(where(), (std::map<NodeId, int>{{kSelf, 4}})) << "one for each CPU";
  scheduler.view(kC, cpus(2));  // fuller
  create(4, 13);
  EXPECT_EQ(where(), (std::map<NodeId, int>{{kSelf, 4}, {kC, 8}, {kB, 1}}));
  create(13, 40);
  EXPECT_EQ(where(), (std::map<NodeId, int>{{kSelf, 10}, {kB, 10}, {kC, 20}})) << "by CPUs";
}

TEST_F(WeightlessActors, StayWhereTheyAreAndFreeTheirPlaceWhenTheyEnd) {
  create(0, 40);
  for (std::uint32_t i = 0; i < 40; i += 2) start(i);
  const auto before = effects.shares;
  scheduler.node_joined(NodeId{4}, "d", cpus(4));
  for (int i = 0; i < 20; ++i) scheduler.replan();
  EXPECT_EQ(effects.shares, before) << "nothing moves";
  create(40, 50);
  EXPECT_EQ(where()[NodeId{4}], 10) << "it has room, then the fewest for each CPU";
  start(1);
  scheduler.lease_over(leases[0]);  // of home
  scheduler.set_demand(kClient, 1001, {}, {}, 0);
  scheduler.lease_over(leases[1]);
  for (const std::uint32_t gone : {1000U, 1001U}) effects.shares.erase({kClient, gone});
  EXPECT_EQ(where()[kSelf], 8);
  create(60, 62);
  EXPECT_EQ(where()[kSelf], 10);
  scheduler.node_left(kB);
  for (auto& [demand, shares] : effects.shares) shares.erase(kB);
  EXPECT_EQ(where()[kSelf] + where()[kC] + where()[NodeId{4}], 42) << "the two that had not started there moved";
}

TEST_F(WeightlessActors, GoWhereTheyAreBound) {
  create(0, 30, {Placement::pack, kB, false});
  EXPECT_EQ(where(), (std::map<NodeId, int>{{kB, 30}}));
}

// SCHED-9, as a node does it: nothing is asked of any node for an actor that has ended, until it is to start again.
TEST_F(ClusterSchedulerTest, AnActorsDemandEndsWithItsLease) {
  ResourceSet request = cpus(1);
  request.own_worker = true;
  for (const NodeId node : {kSelf, kB}) {
    const bool dies = node == kB;
    EXPECT_EQ(want(1, request, {Placement::pack, node, true}), (Shares{{node, 1}}));
    scheduler.granted({(node.value << 40) + 1}, kClient, 0);
    const int calls = effects.calls;
    dies ? scheduler.node_left(node) : scheduler.lease_over({(node.value << 40) + 1});
    scheduler.replan();
    EXPECT_EQ(effects.calls, calls);
    EXPECT_EQ(want(1, request, {Placement::pack, node, true}).size(), dies ? 2U : 1U) << "stated again";
    EXPECT_GT(effects.calls, calls);
    want(0, request, {Placement::pack, node, true});
  }
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
            s.set_demand(kClient, shape, cpus(1 + shape % 2),
                         {shape < 2 ? Placement::pack : Placement::spread, {}, false}, wanted[shape]);
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
