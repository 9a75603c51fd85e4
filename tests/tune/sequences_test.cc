// Searchers that fill a space: Halton, Sobol, brute force.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include <manta/error.h>
#include <manta/tune.h>

#include "tests/support/message.h"
#include "tune/searchers/draws.h"
#include "tune/searchers/sobol.h"

namespace manta::tune {
namespace {

using ::testing::HasSubstr;

TEST(Halton, FillsEveryCellOfEachDimension) {
  HaltonSearcher searcher(5);
  Distribution unit{.low = 0, .high = 1};
  std::map<std::string, std::map<int, int>> counts;
  for (std::int64_t number = 0; number < 6 * 36; ++number) {
    for (const char* name : {"in base 2", "in base 3"}) {
      const double share = searcher.suggest({.number = number}, name, unit);
      ++counts[name][static_cast<int>(share * 6)];
    }
  }
  for (const auto& [name, cells] : counts) {
    ASSERT_EQ(cells.size(), 6U) << name;
    for (const auto& [cell, count] : cells) EXPECT_NEAR(count, 36, 2) << name << " " << cell;
  }
}

// --- Sobol

// The first 2^k points have each of 2^k cells once, in every dimension.
TEST(Sobol, FillsEveryCellOfEachDimension) {
  for (std::size_t dimension = 0; dimension < detail::Sobol::kMostDimensions; ++dimension) {
    const detail::Sobol sobol(dimension, 3);
    for (const std::uint64_t size : {16, 1024}) {
      std::set<int> cells;
      for (std::uint64_t i = 0; i < size; ++i)
        cells.insert(static_cast<int>(sobol.point(i) * static_cast<double>(size)));
      ASSERT_EQ(cells.size(), size) << "dimension " << dimension;
      ASSERT_LT(*cells.rbegin(), size);
    }
  }
}

// The first two dimensions are a (0, 2)-sequence: also each rectangle of that size has one point.
TEST(Sobol, FillsEveryRectangleOfTheFirstTwoDimensions) {
  const detail::Sobol first(0, 5), second(1, 5);
  for (int wide = 0; wide <= 8; ++wide) {
    std::set<std::pair<int, int>> cells;
    for (std::uint64_t i = 256; i < 512; ++i) {
      cells.emplace(static_cast<int>(first.point(i) * (1 << wide)),
                    static_cast<int>(second.point(i) * (1 << (8 - wide))));
    }
    EXPECT_EQ(cells.size(), 256U) << wide;
  }
}

// Of the mean of a function of ten parameters, which random points know to 0.02.
TEST(Sobol, IntegratesBetterThanRandomPoints) {
  std::vector<detail::Sobol> sobol;
  for (std::size_t d = 0; d < 10; ++d) sobol.emplace_back(d, 9);
  double sum = 0;
  for (std::uint64_t i = 0; i < 1024; ++i) {
    double product = 1;
    for (const detail::Sobol& each : sobol) product *= 1 + 0.5 * (each.point(i) - 0.5);
    sum += product;
  }
  EXPECT_NEAR(sum / 1024, 1, 0.003);
}

std::vector<double> many(Space& space, int size) {
  std::vector<double> all;
  for (int i = 0; i < size; ++i) all.push_back(space.uniform("x" + std::to_string(i), 0, 1));
  return all;
}
std::vector<double> sixty_four(Space& space) { return many(space, 64); }
std::vector<double> sixty_five(Space& space) { return many(space, 65); }

TEST(Sobol, TakesSixtyFourParameters) {
  AskTell<sixty_four> study({.searcher = std::make_shared<SobolSearcher>()});
  EXPECT_EQ(study.ask().config.size(), 64U);
  AskTell<sixty_five> more({.searcher = std::make_shared<SobolSearcher>()});
  EXPECT_THAT(message_of([&] { more.ask(); }), HasSubstr("Next: use HaltonSearcher"));
}

// --- brute force

// 3 * 2 + 4 + 5 * (1 + 2 + 3) configurations.
std::string nested(Space& space) {
  std::string all = space.choice("kind", {"a", "b", "c"});
  const auto add = [&](const char* name, int low, int high) {
    const int value = space.integer(name, low, high);
    all += " " + std::to_string(value);
    return value;
  };
  if (all == "a") {
    add("x", 1, 3);
    all += space.choice("flag", {true, false}) ? " true" : " false";
  } else if (all == "b") {
    add("y", 0, 3);
  } else {
    const int size = add("size", 1, 3);
    add("part", 1, size);
    add("more", -2, 2);
  }
  return all;
}

TEST(BruteForce, TriesEachConfigurationOnceWithAnyNumberOfWorkers) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    AskTell<nested> study({.searcher = std::make_shared<BruteForceSearcher>(seed)});
    std::set<std::string> tried;
    std::vector<std::int64_t> open;
    while (!study.exhausted()) {
      const auto trial = study.ask();
      EXPECT_TRUE(tried.insert(trial.config).second) << trial.config;
      open.push_back(trial.number);
      if (open.size() <= seed) continue;
      if (trial.number % 5 == 1) study.fail(open.back());
      if (trial.number % 5 != 1) study.tell(open.back(), 1);
      open.pop_back();
    }
    EXPECT_EQ(tried.size(), 40U);
    EXPECT_THAT(message_of([&] { study.ask(); }), HasSubstr("nothing more to suggest"));
  }
}

TEST(BruteForce, SeesWhatWasTriedFirst) {
  AskTell<nested> study({.searcher = std::make_shared<BruteForceSearcher>(1),
                         .try_first = {{{"kind", "b"}, {"y", 2}}, {{"kind", "c"}, {"size", 3}, {"part", 2}}}});
  std::set<std::string> tried;
  while (!study.exhausted()) EXPECT_TRUE(tried.insert(study.ask().config).second);
  EXPECT_EQ(tried.size(), 40U);
  EXPECT_EQ(tried.count("b 2"), 1U);
}

std::pair<int, int> by_grid(Space& space) {
  const int first = space.grid("first", {1, 2, 3});
  return {first, space.integer("second", 1, 4)};
}
TEST(BruteForce, HasAllConfigurationsOfEachCombinationOfGrids) {
  AskTell<by_grid> study({.searcher = std::make_shared<BruteForceSearcher>(1)});
  std::set<std::pair<int, int>> tried;
  while (!study.exhausted()) EXPECT_TRUE(tried.insert(study.ask().config).second);
  EXPECT_EQ(tried.size(), 12U);
}

int large(Space& space) { return space.integer("n", 1, 1'000'000'000); }
TEST(BruteForce, HoldsOnlyWhatWasTriedOfALargeSpace) {
  AskTell<large> study({.searcher = std::make_shared<BruteForceSearcher>(1)});
  std::set<int> tried;
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(tried.insert(study.ask().config).second);
  EXPECT_FALSE(study.exhausted());
}

double real(Space& space) { return space.uniform("x", 0, 1); }
TEST(BruteForce, RefusesReals) {
  AskTell<real> study({.searcher = std::make_shared<BruteForceSearcher>()});
  EXPECT_THAT(message_of([&] { study.ask(); }), HasSubstr("parameter 'x' is a real"));
}

// The space decides by what was drawn before what comes next, at random: spaces of all forms.
struct RandomTree {
  static inline std::uint64_t seed = 0;
  static std::string space(Space& space) {
    std::string path;
    for (int depth = 0; depth < 4; ++depth) {
      detail::Draws draws(seed, depth, path);
      const int size = static_cast<int>(draws.bits() % 4);
      if (size == 0) return path;
      path += std::to_string(space.integer("p" + path, 1, size));
    }
    return path;
  }
  static std::size_t count(const std::string& path, int depth) {
    detail::Draws draws(seed, depth, path);
    const int size = depth == 4 ? 0 : static_cast<int>(draws.bits() % 4);
    std::size_t all = size == 0 ? 1 : 0;
    for (int value = 1; value <= size; ++value) all += count(path + std::to_string(value), depth + 1);
    return all;
  }
};
TEST(BruteForce, CountsRandomSpaces) {
  for (RandomTree::seed = 0; RandomTree::seed < 200; ++RandomTree::seed) {
    AskTell<RandomTree::space> study({.searcher = std::make_shared<BruteForceSearcher>(RandomTree::seed)});
    std::set<std::string> tried;
    while (!study.exhausted()) {
      const auto trial = study.ask();
      ASSERT_TRUE(tried.insert(trial.config).second);
      study.tell(trial.number, 1);
    }
    ASSERT_EQ(tried.size(), RandomTree::count("", 0)) << RandomTree::seed;
  }
}

}  // namespace
}  // namespace manta::tune
