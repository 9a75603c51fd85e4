// The simulator would have found them: thirteen bugs in owner and sched, one at a time.
#include <ostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/planted_bug.h"
#include "core/testing/sim_cluster.h"

namespace manta::sim {
namespace {

using ::testing::StartsWith;

constexpr std::uint64_t kSeeds = 2000;

struct Planted {
  int number;
  const char* rule;  // the first one that is seen to be broken
};

void PrintTo(const Planted& bug, std::ostream* out) { *out << "bug " << bug.number << ", " << bug.rule; }

class PlantedBug : public ::testing::TestWithParam<Planted> {
 protected:
  ~PlantedBug() override { g_planted_bug = 0; }
};

SimResult run(std::uint64_t seed, int bug) {
  g_planted_bug = bug;
  SimOptions options = SimOptions::from_seed(seed);
  if (bug == 13 || bug == -13) options.cancels = 10;
  return SimCluster(options).run();
}

TEST_P(PlantedBug, IsFoundAndTheSeedIsNamed) {
  const auto [number, rule] = GetParam();
  std::uint64_t seed = 1;
  SimResult found;
  for (; seed <= kSeeds; ++seed) {
    found = run(seed, number);
    if (!found.failure.empty()) break;
  }
  ASSERT_LE(seed, kSeeds) << "not found";
  RecordProperty("seed", static_cast<int>(seed));
  EXPECT_THAT(found.failure, StartsWith("seed " + std::to_string(seed) + ": " + rule));
  EXPECT_NE(found.trace, "");
  EXPECT_EQ(run(seed, -number).failure, "") << "something else is wrong";
  const SimResult again = run(seed, number);
  EXPECT_EQ(again.failure, found.failure) << "the seed does not lead there again";
  EXPECT_EQ(again.hash, found.hash);
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBug,
                         ::testing::Values(Planted{1, "SCHED-1"}, Planted{2, "SCHED-2"}, Planted{3, "SCHED-8"},
                                           Planted{4, "OWN-1"}, Planted{5, "OWN-2"}, Planted{6, "OWN-"},
                                           Planted{7, "OWN-3"}, Planted{8, "OWN-3"}, Planted{9, "OWN-"},
                                           Planted{10, "OWN-5"}, Planted{11, "OWN-10"}, Planted{12, "OWN-1"},
                                           Planted{13, "OWN-14"}),
                         [](const auto& bug) { return std::to_string(bug.param.number); });

}  // namespace
}  // namespace manta::sim
