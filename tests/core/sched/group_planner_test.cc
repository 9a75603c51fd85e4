// Where bundles go, and what becomes of them (GROUP-1 to GROUP-4).
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/sched/group_planner.h"

namespace manta::sched {
namespace {

using namespace std::chrono_literals;

ResourceSet cpus(std::int64_t n, std::int64_t gpus = 0) {
  ResourceSet set;
  set.cpus = Amount::from_units(n * 10'000);
  set.gpus = Amount::from_units(gpus * 10'000);
  return set;
}

ResourceSet small_times(const ResourceSet& one, std::int64_t n) {
  ResourceSet set = one;
  set.cpus = Amount::from_units(one.cpus.units() * n);
  return set;
}

constexpr ClientId kCreator = client_of({1}, 1), kOther = client_of({1}, 2);

class GroupPlannerTest : public testing::Test, GroupPlannerEffects {
 protected:
  struct Asked {
    NodeId node;
    std::uint32_t attempt;
    ResourceSet request;
  };
  void join(std::uint64_t node, const ResourceSet& total) { planner_.node_joined({node}, total, now_); }
  std::uint64_t create(std::vector<ResourceSet> bundles, GroupStrategy strategy = GroupStrategy::pack) {
    auto made = planner_.create(kCreator, std::move(bundles), strategy, now_);
    why_ = made ? "" : made.error().message();
    return made ? *made : 0;
  }
  void answer(std::uint64_t group, std::uint32_t index) {
    const Asked asked = asked_.at({group, index});
    planner_.reserved(asked.node, {group, index}, asked.attempt, now_);
  }
  void answer_all(std::uint64_t group) {
    const auto all = asked_;
    for (const auto& [bundle, asked] : all) {
      if (bundle.group == group) answer(group, bundle.index);
    }
  }
  void pass(Time time) {
    now_ += time;
    planner_.tick(now_);
  }
  std::vector<std::uint64_t> nodes_of(std::uint64_t group) const {
    std::vector<std::uint64_t> nodes;
    for (const NodeId node : placed_.at(group)) nodes.push_back(node.value);
    return nodes;
  }

  void reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const ResourceSet& request) override {
    EXPECT_TRUE(asked_.emplace(bundle, Asked{node, attempt, request}).second) << "GROUP-4: reserved twice";
  }
  void release(NodeId node, const Bundle& bundle, const std::string&) override {
    const auto it = asked_.find(bundle);
    ASSERT_NE(it, asked_.end()) << "GROUP-4: released twice";
    EXPECT_EQ(it->second.node, node);
    asked_.erase(it);
  }
  void placed(std::uint64_t group, const std::vector<NodeId>& nodes) override { placed_[group] = nodes; }
  void gone(std::uint64_t group) override { EXPECT_EQ(placed_.erase(group), 1U); }

  GroupPlanner planner_{*this};
  Time now_{0};
  std::map<Bundle, Asked> asked_;
  std::map<std::uint64_t, std::vector<NodeId>> placed_;
  std::string why_;
};

using Nodes = std::vector<std::uint64_t>;

TEST_F(GroupPlannerTest, PackTakesFewNodes) {
  join(1, cpus(2));
  join(2, cpus(4));
  const auto group = create({cpus(1), cpus(1), cpus(2)});
  answer_all(group);
  EXPECT_EQ(nodes_of(group), (Nodes{2, 2, 2}));
}

TEST_F(GroupPlannerTest, SpreadTakesMany) {
  for (std::uint64_t n = 1; n <= 3; ++n) join(n, cpus(2));
  const auto group = create({cpus(1), cpus(1), cpus(1), cpus(1)}, GroupStrategy::spread);
  answer_all(group);
  const Nodes nodes = nodes_of(group);
  EXPECT_EQ(std::set(nodes.begin(), nodes.end()).size(), 3U);
}

TEST_F(GroupPlannerTest, StrictOnes) {
  join(1, cpus(2));
  join(2, cpus(1));
  const auto packed = create({cpus(1), cpus(1)}, GroupStrategy::strict_pack);
  answer_all(packed);
  EXPECT_EQ(nodes_of(packed), (Nodes{1, 1}));
  planner_.remove(packed, kCreator, now_);
  const auto spread = create({cpus(1), cpus(1)}, GroupStrategy::strict_spread);
  answer_all(spread);
  EXPECT_EQ((std::set{nodes_of(spread)[0], nodes_of(spread)[1]}), (std::set<std::uint64_t>{1, 2}));
  EXPECT_EQ(create({cpus(1), cpus(1), cpus(1)}, GroupStrategy::strict_spread), 0U);
  EXPECT_NE(why_.find("each on a node of its own"), std::string::npos) << why_;
  EXPECT_EQ(create({cpus(3)}), 0U);
  EXPECT_NE(why_.find("bundle 0 of the placement group needs CPU: 3"), std::string::npos) << why_;
}

// GROUP-5
TEST_F(GroupPlannerTest, TenThousandBundles) {
  constexpr std::size_t kBundles = 10'000;
  const auto start = std::chrono::steady_clock::now();
  ResourceSet small;
  small.cpus = Amount::from_units(1);
  for (std::uint64_t n = 1; n <= 7; ++n) join(n, small_times(small, n == 7 ? 2000 : 1400));
  for (const auto strategy : {GroupStrategy::pack, GroupStrategy::spread}) {
    const auto group = create(std::vector<ResourceSet>(kBundles, small), strategy);
    ASSERT_NE(group, 0U) << "7 nodes that hold 10,400 together: " << why_;
    const auto all = asked_;
    ASSERT_EQ(all.size(), kBundles);
    for (const auto& [bundle, asked] : all) {
      planner_.reserved(asked.node, bundle, asked.attempt, now_);
      (void)planner_.waiting();
      planner_.tick(now_);
    }
    EXPECT_FALSE(planner_.waiting());
    EXPECT_EQ(placed_.at(group).size(), kBundles);
    planner_.remove(group, kCreator, now_);
    EXPECT_TRUE(asked_.empty());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST_F(GroupPlannerTest, ManyEqualBundlesThatDoNotFitAreRefusedAtOnce) {
  join(1, cpus(4000));
  join(2, cpus(5000));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(create(std::vector<ResourceSet>(9'001, cpus(1))), 0U);
  EXPECT_NE(create(std::vector<ResourceSet>(9'000, cpus(1))), 0U) << why_;
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

// A greedy choice of the bigger node for the smaller bundle would fail.
TEST_F(GroupPlannerTest, SearchGoesBack) {
  join(1, cpus(4, 1));
  join(2, cpus(2, 1));
  join(3, cpus(3));
  const auto group = create({cpus(2, 1), cpus(3), cpus(4, 1)}, GroupStrategy::strict_spread);
  ASSERT_NE(group, 0U) << why_;
  answer_all(group);
  EXPECT_EQ(nodes_of(group), (Nodes{2, 3, 1}));
}

TEST_F(GroupPlannerTest, SeenOnlyWhenWhole) {
  join(1, cpus(1));
  join(2, cpus(1));
  const auto group = create({cpus(1), cpus(1)});
  answer(group, 0);
  EXPECT_EQ(nodes_of(group), (Nodes{0, 0}));
  answer(group, 1);
  EXPECT_EQ(std::set<std::uint64_t>({nodes_of(group)[0], nodes_of(group)[1]}), (std::set<std::uint64_t>{1, 2}));
  EXPECT_FALSE(planner_.waiting());
}

TEST_F(GroupPlannerTest, DeadNodesBundlesMove) {
  for (std::uint64_t n = 1; n <= 3; ++n) join(n, cpus(1));
  const auto group = create({cpus(1), cpus(1)}, GroupStrategy::strict_spread);
  answer_all(group);
  const Nodes before = nodes_of(group);
  asked_.erase({group, 0});
  planner_.node_left({before[0]}, now_);
  EXPECT_EQ(nodes_of(group)[0], 0U);
  EXPECT_EQ(nodes_of(group)[1], before[1]);
  answer(group, 0);
  EXPECT_EQ(nodes_of(group)[0], 6 - before[0] - before[1]);
  EXPECT_EQ(nodes_of(group)[1], before[1]);
}

TEST_F(GroupPlannerTest, QueuesBehindWhatRuns) {
  join(1, cpus(2));
  planner_.view({1}, cpus(0));
  const auto group = create({cpus(2)});
  EXPECT_EQ(asked_.size(), 1U);  // at the node, which grants it in its turn
  pass(100s);
  EXPECT_EQ(asked_.size(), 1U);  // no other group waits, no other node is free: it keeps its place
  answer_all(group);
  EXPECT_EQ(nodes_of(group), (Nodes{1}));
}

TEST_F(GroupPlannerTest, GivesWayToOneThatFits) {
  join(1, cpus(2));
  planner_.view({1}, cpus(0));
  const auto big = create({cpus(2)});
  ASSERT_TRUE(asked_.contains({big, 0}));
  planner_.view({1}, cpus(1));
  const auto small = create({cpus(1)});
  pass(1s);
  EXPECT_TRUE(asked_.contains({small, 0}));
  answer_all(small);
  EXPECT_EQ(nodes_of(small), (Nodes{1}));
}

TEST_F(GroupPlannerTest, MovesToWhereItFits) {
  join(1, cpus(2));
  planner_.view({1}, cpus(0));
  const auto group = create({cpus(2)});
  EXPECT_EQ((asked_.at({group, 0}).node), NodeId{1});
  const std::uint32_t first = asked_.at({group, 0}).attempt;
  join(2, cpus(2));
  pass(1s);
  EXPECT_EQ((asked_.at({group, 0}).node), NodeId{2});
  planner_.reserved({2}, {group, 0}, first, now_);  // of another attempt
  EXPECT_EQ(nodes_of(group), (Nodes{0}));
  answer_all(group);
  EXPECT_EQ(nodes_of(group), (Nodes{2}));
}

TEST_F(GroupPlannerTest, EndsWithItsCreator) {
  join(1, cpus(2));
  const auto first = create({cpus(1)});
  const auto second = create({cpus(1)});
  answer_all(first);
  planner_.remove(first, kOther, now_);
  EXPECT_TRUE(placed_.contains(first));
  planner_.client_left(kCreator, now_);
  EXPECT_TRUE(placed_.empty());
  EXPECT_TRUE(asked_.empty());
  EXPECT_FALSE(placed_.contains(second));
}

// Random groups, nodes and answers: whatever happens, nodes are never promised more than they have, and with everything
// answered and capacity enough each group is placed.
TEST_F(GroupPlannerTest, RandomHistories) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
    planner_.client_left(kCreator, now_);
    for (std::uint64_t n = 1; n < 200; ++n) planner_.node_left({n}, now_);
    std::map<std::uint64_t, std::int64_t> alive;
    std::uint64_t next_node = 1;
    std::vector<std::uint64_t> groups;
    for (; next_node <= 3; ++next_node) join(next_node, cpus(alive[next_node] = 1 + below(4)));
    for (int step = 0; step < 100; ++step) {
      switch (below(6)) {
        case 0: {
          std::vector<ResourceSet> bundles(1 + below(3));
          for (auto& bundle : bundles) bundle = cpus(1 + below(2));
          if (const auto id = create(bundles, static_cast<GroupStrategy>(below(4)))) groups.push_back(id);
          break;
        }
        case 1:
          if (!groups.empty()) planner_.remove(groups[below(static_cast<unsigned>(groups.size()))], kCreator, now_);
          break;
        case 2:
          if (alive.size() > 1) {
            const std::uint64_t node = std::next(alive.begin(), below(static_cast<unsigned>(alive.size())))->first;
            alive.erase(node);
            std::erase_if(asked_, [&](const auto& asked) { return asked.second.node.value == node; });
            planner_.node_left({node}, now_);
          } else {
            join(next_node, cpus(alive[next_node] = 1 + below(4)));
            ++next_node;
          }
          break;
        default: {
          // As a node does: grants what fits.
          std::map<std::uint64_t, std::int64_t> left = alive;
          const auto all = asked_;
          for (const auto& [bundle, asked] : all) {
            left[asked.node.value] -= asked.request.cpus.units() / 10'000;
            if (left[asked.node.value] >= 0) planner_.reserved(asked.node, bundle, asked.attempt, now_);
          }
          for (const auto& [node, n] : alive) planner_.view({node}, cpus(std::max<std::int64_t>(0, left[node])));
          pass(50ms);
        }
      }
    }
    for (const auto& [group, nodes] : placed_) {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!nodes[i]) continue;
        ASSERT_EQ(asked_.at({group, static_cast<std::uint32_t>(i)}).node, nodes[i]) << "seed " << seed;
      }
    }
    planner_.client_left(kCreator, now_);
    ASSERT_TRUE(asked_.empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace manta::sched
