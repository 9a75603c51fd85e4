#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/core/sched/random_history.h"

namespace manta::sched {
namespace {

// MANTA_SEEDS: how many; MANTA_SEED: the first one.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(NodeSchedulerHistory, InvariantsHoldAllDemandsAreServedAndAllLeasesComeBack) {
  const std::uint64_t first = from_environment("MANTA_SEED", 1);
  const std::uint64_t seeds = from_environment("MANTA_SEEDS", 100);
  std::map<std::string, int> counts;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    RandomHistory history(seed);
    ASSERT_EQ(history.run(400), "") << "seed " << seed;
    ASSERT_EQ(history.serve_everybody(), "") << "seed " << seed;
    ASSERT_EQ(history.wind_down(), "") << "seed " << seed;
    for (const auto& [what, count] : history.counts()) counts[what] += count;
  }
  for (const char* what : {"start", "kill", "grant", "ended", "infeasible", "ask", "close"}) {
    EXPECT_GT(counts[what], 0) << "never happened: " << what;
  }
}

TEST(NodeSchedulerHistory, EqualSeedsGiveEqualEffects) {
  RandomHistory one(7), same(7), other(8);
  one.run(1000);
  same.run(1000);
  other.run(1000);
  EXPECT_EQ(one.hash(), same.hash());
  EXPECT_NE(one.hash(), other.hash());
}

}  // namespace
}  // namespace manta::sched
