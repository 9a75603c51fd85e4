// Several objectives and constraints: sorting and volumes against their definitions, searchers against random search.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include <manta/tune.h>

#include "tests/support/message.h"
#include "tune/searchers/draws.h"
#include "tune/searchers/fronts.h"

namespace manta::tune {
namespace {

using detail::Draws;
using detail::Losses;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Whole numbers below `most`, so that many are equal.
std::vector<Losses> random_points(std::uint64_t seed, std::size_t count, std::size_t objectives, int most) {
  Draws draws(seed, 1, "points");
  std::vector<Losses> points(count, Losses(objectives));
  for (Losses& point : points) {
    for (double& each : point) each = std::floor(draws.share() * most);
  }
  return points;
}

TEST(Fronts, AreWhatNoneOfTheRestDominates) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::size_t objectives = 1 + seed % 4;
    const std::vector<Losses> points = random_points(seed, 40, objectives, seed % 3 == 0 ? 4 : 100);
    std::vector<double> violations(points.size());
    if (seed % 2 == 1) {
      for (const Losses& each : random_points(seed + 100, 1, points.size(), 5))
        for (std::size_t i = 0; i < each.size(); ++i) violations[i] = std::max(0.0, each[i] - 2);
    }
    const std::vector<int> fronts = detail::fronts_of(points, violations);
    const auto is_better = [&](std::size_t a, std::size_t b) {
      if (violations[a] > 0 || violations[b] > 0) return violations[a] < violations[b];
      return detail::dominates(points[a], points[b]);
    };
    std::vector<int> expected(points.size(), -1);
    for (int front = 0; std::count(expected.begin(), expected.end(), -1) > 0; ++front) {
      std::vector<std::size_t> members;
      for (std::size_t i = 0; i < points.size(); ++i) {
        bool best = expected[i] < 0;
        for (std::size_t j = 0; j < points.size() && best; ++j) best = expected[j] >= 0 || !is_better(j, i);
        if (best) members.push_back(i);
      }
      for (const std::size_t i : members) expected[i] = front;
    }
    EXPECT_EQ(fronts, expected) << seed;
  }
}

TEST(Fronts, CrowdingIsNsgaIIs) {
  const std::vector<double> distances = detail::crowding_of({{0, 4}, {4, 0}, {1, 2}, {2, 1}, {1, 2}});
  EXPECT_EQ(distances[0], kInfinity);
  EXPECT_EQ(distances[1], kInfinity);
  EXPECT_DOUBLE_EQ(distances[2], 1 / 4.0 + 1 / 4.0);
  EXPECT_DOUBLE_EQ(distances[3], 3 / 4.0 + 2 / 4.0);
  EXPECT_DOUBLE_EQ(distances[4], 1 / 4.0 + 2 / 4.0);
  EXPECT_THAT(detail::crowding_of({{1, 2}, {1, 2}}), ElementsAre(0, 0));
}

// The cells of a grid that some point dominates.
double count_cells(const std::vector<Losses>& points, int most) {
  const std::size_t objectives = points[0].size();
  double count = 0;
  Losses cell(objectives);
  for (;;) {
    count += std::any_of(points.begin(), points.end(), [&](const Losses& point) {
      return std::equal(point.begin(), point.end(), cell.begin(), [](double a, double b) { return a <= b; });
    });
    std::size_t d = 0;
    while (d < objectives && ++cell[d] == most) cell[d++] = 0;
    if (d == objectives) return count;
  }
}

TEST(Hypervolume, CountsTheCellsThatAreDominated) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const std::size_t objectives = 1 + seed % 4;
    const std::vector<Losses> points = random_points(seed, 1 + seed % 12, objectives, 7);
    const std::vector<Mode> modes(objectives, Mode::min);
    EXPECT_DOUBLE_EQ(hypervolume(points, Losses(objectives, 6), modes), count_cells(points, 6)) << seed;
  }
  EXPECT_DOUBLE_EQ(hypervolume({{3, -2}}, {1, 4}, std::vector{Mode::max, Mode::min}), 12);
  EXPECT_EQ(hypervolume({}, {1, 4}, std::vector{Mode::max, Mode::min}), 0);
  EXPECT_THAT(message_of([] {
                (void)hypervolume({{1}}, {1, 2}, std::vector{Mode::min, Mode::min});
              }),
              HasSubstr("a point has 1 values"));
}

TEST(Hypervolume, TheSubsetAddsMostEachTime) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const std::size_t objectives = 2 + seed % 2;
    const std::vector<Losses> points = random_points(seed, 15, objectives, 1000);
    Losses reference(objectives);
    for (std::size_t d = 0; d < objectives; ++d) {
      for (const Losses& point : points) reference[d] = std::max(reference[d], 1.1 * point[d]);
    }
    const std::vector<std::size_t> chosen = detail::largest_subset(points, 6);
    ASSERT_EQ(chosen.size(), 6U);
    std::vector<Losses> so_far;
    for (const std::size_t each : chosen) {
      double most = 0;
      for (const Losses& point : points) {
        std::vector<Losses> with = so_far;
        with.push_back(point);
        most = std::max(most, detail::volume_of(with, reference));
      }
      so_far.push_back(points[each]);
      EXPECT_NEAR(detail::volume_of(so_far, reference), most, 1e-9 * most) << seed;
    }
  }
  EXPECT_THAT(detail::largest_subset({{1, 1}, {1, 1}, {1, 1}}, 2), ::testing::SizeIs(2));
  EXPECT_THAT(detail::largest_subset({{-kInfinity, 1}, {1, -kInfinity}, {0, 0}}, 2), ::testing::SizeIs(2));
  EXPECT_THAT(detail::largest_subset({{kInfinity, 1}, {1, 2}, {0, 0}}, 2), ::testing::SizeIs(2));
}

TEST(ParetoFront, LeavesOutWhatFailedOrBreaksConstraints) {
  const auto trial = [](std::vector<double> values, TrialStatus status = TrialStatus::complete, double constraint = 0) {
    TrialRecord record{.status = status, .value = values[0], .values = values};
    record.constraints["size"] = constraint;
    return record;
  };
  const std::vector<TrialRecord> trials{
      trial({1, 5}),                             // on the front
      trial({0, 9}, TrialStatus::failed),        //
      trial({3, 5}),                             // dominates the first
      trial({3, 5}),                             // its equal
      trial({9, 0}, TrialStatus::complete, 1),   // breaks a constraint
      trial({9, 0}, TrialStatus::stopped),       //
      trial({2, 1}, TrialStatus::complete, -1),  //
      trial({3, 6}),                             // dominated
  };
  EXPECT_THAT(pareto_front(trials, std::vector{Mode::max, Mode::min}), ElementsAre(2, 3, 6));
}

// --- searchers

std::vector<double> unit(Space& space) {
  std::vector<double> x;
  for (int i = 0; i < 5; ++i) x.push_back(space.uniform("x" + std::to_string(i), 0, 1));
  return x;
}
std::vector<double> zdt1(const std::vector<double>& x) {
  double g = 1;
  for (std::size_t i = 1; i < x.size(); ++i) g += 9 * x[i] / static_cast<double>(x.size() - 1);
  return {x[0], g * (1 - std::sqrt(x[0] / g))};
}
const std::vector<Mode> kTwo{Mode::min, Mode::min};

using Make = std::shared_ptr<Searcher> (*)(std::uint64_t seed);
std::shared_ptr<Searcher> nsga(std::uint64_t seed) {
  return std::make_shared<NsgaIISearcher>(NsgaIIOptions{.population = 20, .seed = seed});
}
std::shared_ptr<Searcher> tpe(std::uint64_t seed) { return std::make_shared<TpeSearcher>(TpeOptions{.seed = seed}); }
std::shared_ptr<Searcher> tpe_jointly(std::uint64_t seed) {
  return std::make_shared<TpeSearcher>(TpeOptions{.multivariate = true, .seed = seed});
}
std::shared_ptr<Searcher> random_searcher(std::uint64_t seed) { return std::make_shared<RandomSearcher>(seed); }

double median_volume(Make make) {
  std::vector<double> volumes;
  for (std::uint64_t seed = 0; seed < 7; ++seed) {
    AskTell<unit> study({.modes = kTwo, .searcher = make(seed)});
    for (int i = 0; i < 150; ++i) {
      const auto trial = study.ask();
      study.tell(trial.number, zdt1(trial.config));
    }
    EXPECT_EQ(study.best(), nullptr);
    std::vector<std::vector<double>> front;
    for (const std::size_t at : study.pareto_front()) front.push_back(study.trials()[at].values);
    volumes.push_back(hypervolume(front, {1.1, 7}, kTwo));
  }
  std::sort(volumes.begin(), volumes.end());
  return volumes[3];
}

TEST(SeveralObjectives, SearchersFindBetterFrontsThanChance) {  // the best one: 7.37
  const double by_chance = median_volume(random_searcher);
  EXPECT_GT(median_volume(nsga), by_chance + 0.3);
  EXPECT_GT(median_volume(tpe), by_chance + 0.6);
  EXPECT_GT(median_volume(tpe_jointly), by_chance + 0.6);
}

// Workers, failures, NaN, infinities, broken constraints: what is suggested is what a new searcher suggests.
TEST(SeveralObjectives, SearchersSuggestTheSameAfterARestart) {
  for (const Make make : {nsga, tpe, tpe_jointly}) {
    AskTell<unit> study({.modes = {Mode::max, Mode::min}, .searcher = make(3)});
    std::vector<AskTell<unit>::Asked> open;
    Draws draws(1, 1, "restart");
    for (int i = 0; i < 120; ++i) {
      const std::vector<TrialRecord> before = study.trials();
      open.push_back(study.ask());
      const TrialRecord& asked = study.trials().back();
      if (i % 13 == 5) {
        const auto again = make(3);
        const TrialRecord trial{.number = asked.number};
        const std::vector<Mode> modes{Mode::max, Mode::min};
        again->begin({before, Mode::max, modes}, trial);
        for (const Param& param : asked.params)
          EXPECT_EQ(again->suggest(trial, param.name, param.distribution), param.number) << i;
      }
      if (open.size() < 5) continue;
      std::swap(open[draws.bits() % open.size()], open.back());
      const auto trial = open.back();
      open.pop_back();
      std::vector<double> values = zdt1(trial.config);
      values[0] *= -1;
      const auto kind = draws.bits() % 10;
      if (kind == 1) values[1] = kNan;
      if (kind == 2) values[0] = kInfinity;
      if (kind == 3) values[1] = kInfinity;
      if (kind == 0) {
        study.fail(trial.number);
      } else {
        study.tell(trial.number, values, {{"first", trial.config[0] - 0.8}, {"second", 0.1 - trial.config[1]}});
      }
    }
  }
}

TEST(SeveralObjectives, AllValuesAreAskedFor) {
  AskTell<unit> study({.modes = kTwo});
  const std::int64_t number = study.ask().number;
  EXPECT_THAT(message_of([&] { study.tell(number, 1.0); }), HasSubstr("given 1 values, and the study has 2"));
  study.tell(number, {1, kNan});
  EXPECT_EQ(study.trials()[0].status, TrialStatus::failed);
  for (const auto& searcher :
       std::vector<std::shared_ptr<Searcher>>{std::make_shared<GpSearcher>(), std::make_shared<CmaEsSearcher>()}) {
    AskTell<unit> refused({.modes = kTwo, .searcher = searcher});
    EXPECT_THAT(message_of([&] { refused.ask(); }), HasSubstr("2 objectives, and it searches for one"));
  }
}

// --- constraints

// The least sum in the unit square where x y is at least 1/4: 1, at (1/2, 1/2).
std::vector<double> square(Space& space) { return {space.uniform("x", 0, 1), space.uniform("y", 0, 1)}; }

double median_constrained(Make make) {
  std::vector<double> bests;
  for (std::uint64_t seed = 0; seed < 9; ++seed) {
    AskTell<square> study({.searcher = make(seed)});
    for (int i = 0; i < 100; ++i) {
      const auto trial = study.ask();
      const double x = trial.config[0], y = trial.config[1];
      study.tell(trial.number, x + y, {{"product", 0.25 - x * y}});
    }
    EXPECT_LE(violation_of(*study.best()), 0);
    bests.push_back(*study.best()->value);
  }
  std::sort(bests.begin(), bests.end());
  return bests[4];
}

TEST(Constraints, SearchersKeepThem) {
  const double by_chance = median_constrained(random_searcher);
  EXPECT_LT(median_constrained(tpe) - 1, 0.7 * (by_chance - 1));
  EXPECT_LT(median_constrained(nsga), by_chance);
}

TEST(Constraints, ATrialThatBreaksThemIsNotTheBest) {
  AskTell<square> study;
  study.tell(study.ask().number, 1, {{"a", -1}, {"b", 0.5}});
  EXPECT_EQ(study.best(), nullptr);
  study.tell(study.ask().number, 2, {{"a", kNan}});
  EXPECT_EQ(violation_of(study.trials()[1]), kInfinity);
  study.tell(study.ask().number, 3, {{"a", 0}});
  EXPECT_EQ(study.best()->number, 2);
  study.tell(study.ask().number, 2.5);
  EXPECT_EQ(study.best()->number, 3);
  EXPECT_THAT(study.pareto_front(), ElementsAre(3));
}

TEST(NsgaII, OptionsAreChecked) {
  EXPECT_THAT(message_of([] { NsgaIISearcher({.population = 1}); }), HasSubstr("population is 1"));
  EXPECT_THAT(message_of([] { NsgaIISearcher({.swapping_probability = 2}); }), HasSubstr("a probability is 2"));
}

}  // namespace
}  // namespace manta::tune
