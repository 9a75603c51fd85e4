// Placement groups over several nodes.
#include <signal.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

std::string where_it_runs() { return node_name(); }
std::string held_there(std::size_t cell) {
  outside()[cell].fetch_add(1);
  (void)await_cell(cell + 1, 1);
  return node_name();
}
std::string from_elsewhere(Bundle bundle) { return get(remote<where_it_runs>.options({.bundle = bundle})()); }

class Place {
 public:
  std::string name() const { return node_name(); }
};

class ClusterGroups : public ClusterTest {};

std::string in(const PlacementGroup& group, std::size_t index) {
  return get(remote<where_it_runs>.options({.bundle = group.bundle(index)})());
}

TEST_F(ClusterGroups, StrictSpread) {
  start(2);
  join("second", 2);
  PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}}, GroupStrategy::strict_spread);
  EXPECT_EQ((std::set{in(group, 0), in(group, 1)}), (std::set<std::string>{"head", "second"}));
  EXPECT_THROW(PlacementGroup({{}, {}, {}}, GroupStrategy::strict_spread), Error);
}

TEST_F(ClusterGroups, StrictPackOnTheNodeWhereItFits) {
  start(1);
  join("second", 3);
  PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 2}}, GroupStrategy::strict_pack);
  EXPECT_EQ(in(group, 0), "second");
  EXPECT_EQ(in(group, 1), "second");
  const auto actor = manta::actor<Place>.options({.num_cpus = 2, .bundle = group.bundle(1)})();
  EXPECT_EQ(get(actor.call<&Place::name>()), "second");
}

TEST_F(ClusterGroups, UsedAndMadeFromAnotherNode) {
  start(2);
  join("second", 2);
  PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}}, GroupStrategy::strict_spread);
  const std::set<std::string> both{get(remote<from_elsewhere>.options({.node = id_of("second")})(group.bundle(0))),
                                   get(remote<from_elsewhere>.options({.node = id_of("second")})(group.bundle(1)))};
  EXPECT_EQ(both, (std::set<std::string>{"head", "second"}));
}

TEST_F(ClusterGroups, ANodeThatJoinsKnowsGroups) {
  start(2);
  PlacementGroup group({{.num_cpus = 1}});
  EXPECT_EQ(in(group, 0), "head");
  join("second", 1);
  EXPECT_EQ(get(remote<from_elsewhere>.options({.node = id_of("second")})(group.bundle(0))), "head");
}

// The bundle of a dead node is reserved on another one; what ran in it is run again there.
TEST_F(ClusterGroups, ADeadNodesBundleMoves) {
  start(1);
  Session& second = join("second", 2);
  PlacementGroup group({{.num_cpus = 2}});
  const auto task = remote<held_there>.options({.num_cpus = 2, .max_retries = 1, .bundle = group.bundle(0)})(10);
  ASSERT_TRUE(await_cell(10, 1));
  second.look();
  ::kill(second.named("manta-node").at(0), SIGKILL);
  EXPECT_TRUE(second.driver_ends(5s * slowness()));
  ASSERT_TRUE(await_nodes(*runtime_, 1));
  join("third", 2);
  ASSERT_TRUE(await_cell(10, 2));
  outside()[11].store(1);
  EXPECT_EQ(get(task), "third");
}

TEST_F(ClusterGroups, RemovedEverywhere) {
  start(1);
  join("second", 2);
  {
    PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 2}}, GroupStrategy::strict_spread);
    EXPECT_EQ(in(group, 1), "second");
  }
  EXPECT_EQ(get(remote<where_it_runs>.options({.num_cpus = 2})()), "second");
  EXPECT_EQ(get(remote<where_it_runs>.options({.num_cpus = 1, .node = NodeId{1}})()), "head");
}

}  // namespace
}  // namespace manta::e2e
