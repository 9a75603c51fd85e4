// Searchers: what they suggest is in the range, the same for the same seed and history, and good.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include <manta/error.h>
#include <manta/tune.h>

#include "tests/support/message.h"

namespace manta::tune {
namespace {

using ::testing::HasSubstr;

using Make = std::shared_ptr<Searcher> (*)(std::uint64_t seed);
std::shared_ptr<Searcher> random_searcher(std::uint64_t seed) { return std::make_shared<RandomSearcher>(seed); }
std::shared_ptr<Searcher> halton(std::uint64_t seed) { return std::make_shared<HaltonSearcher>(seed); }
std::shared_ptr<Searcher> tpe(std::uint64_t seed) { return std::make_shared<TpeSearcher>(TpeOptions{.seed = seed}); }
std::shared_ptr<Searcher> tpe_alone(std::uint64_t seed) {
  return std::make_shared<TpeSearcher>(TpeOptions{.multivariate = false, .seed = seed});
}
std::shared_ptr<Searcher> gp(std::uint64_t seed) { return std::make_shared<GpSearcher>(GpOptions{.seed = seed}); }
std::shared_ptr<Searcher> cma_es(std::uint64_t seed) {
  return std::make_shared<CmaEsSearcher>(CmaEsOptions{.seed = seed});
}

// --- how good they are

template <int N>
struct Point {
  std::vector<double> x;
};
template <int N>
Point<N> box(Space& space, double low, double high) {
  Point<N> point;
  for (int i = 0; i < N; ++i) point.x.push_back(space.uniform("x" + std::to_string(i), low, high));
  return point;
}
Point<2> branin_space(Space& space) { return {{space.uniform("a", -5, 10), space.uniform("b", 0, 15)}}; }
double branin(const std::vector<double>& x) {
  using std::numbers::pi;
  const double bend = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
  return bend * bend + 10 * (1 - 1 / (8 * pi)) * std::cos(x[0]) + 10;
}
Point<5> five(Space& space) { return box<5>(space, -5, 10); }
double rosenbrock(const std::vector<double>& x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i)
    sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  return sum;
}

template <auto SpaceFunction, class Function>
double median_best(Make make, int trials, Function function) {
  std::vector<double> bests;
  for (std::uint64_t seed = 0; seed < 9; ++seed) {
    AskTell<SpaceFunction> study({.searcher = make(seed)});
    for (int i = 0; i < trials; ++i) {
      const auto trial = study.ask();
      study.tell(trial.number, function(trial.config.x));
    }
    bests.push_back(*study.best()->value);
  }
  std::nth_element(bests.begin(), bests.begin() + 4, bests.end());
  return bests[4];
}

TEST(SearcherQuality, Branin) {  // least: 0.3979
  const double by_chance = median_best<branin_space>(random_searcher, 100, branin);
  EXPECT_LT(median_best<branin_space>(tpe, 100, branin), 0.55);
  EXPECT_LT(median_best<branin_space>(cma_es, 100, branin), 0.7);
  EXPECT_GT(by_chance, 0.6) << "the bounds above say nothing";
  EXPECT_LT(median_best<branin_space>(halton, 100, branin), 2 * by_chance);
}

TEST(SearcherQuality, BraninByAGaussianProcess) { EXPECT_LT(median_best<branin_space>(gp, 40, branin), 0.41); }

TEST(SearcherQuality, Rosenbrock) {  // least: 0; by chance some thousands
  EXPECT_LT(median_best<five>(tpe, 200, rosenbrock), 150);
  EXPECT_LT(median_best<five>(cma_es, 200, rosenbrock), 60);
  EXPECT_LT(median_best<five>(cma_es, 1000, rosenbrock), 4.5);
}

struct Steps {
  int a = 0, b = 0;
  bool flag = false;
};
Steps steps_space(Space& space) {
  return {space.integer("a", -20, 20), space.log_integer("b", 1, 4096), space.choice("flag", {true, false})};
}
double steps_cost(const Steps& steps) {
  return std::abs(steps.a - 13) + std::abs(std::log2(steps.b) - 7) + (steps.flag ? 5 : 0);
}

TEST(SearcherQuality, IntegersAndChoices) {
  for (const Make make : {tpe, cma_es}) {
    int found = 0;
    for (std::uint64_t seed = 0; seed < 9; ++seed) {
      AskTell<steps_space> study({.searcher = make(seed)});
      for (int i = 0; i < 150; ++i) {
        const auto trial = study.ask();
        study.tell(trial.number, steps_cost(trial.config));
      }
      found += *study.best()->value < 0.5 ? 1 : 0;
    }
    EXPECT_GE(found, 6);
  }
}

// --- parts

struct Extreme {
  double wide = 0, single = 0, tiny = 0;
  std::int64_t large = 0;
};
Extreme extreme(Space& space) {
  Extreme e;
  e.wide = space.uniform("wide", -1.7e308, 1.7e308);
  e.single = space.uniform("single", 3, 3);
  e.tiny = space.log_uniform("tiny", 1e-300, 1e300);
  e.large = space.integer("large", std::int64_t{-1} << 52, std::int64_t{1} << 52);
  return e;
}

TEST(Searchers, TakeRangesOfOneValueAndOfAllNumbers) {
  for (const Make make : {halton, tpe, tpe_alone, cma_es, gp}) {
    AskTell<extreme> study({.searcher = make(1)});
    for (int i = 0; i < 40; ++i) {
      const auto trial = study.ask();
      EXPECT_EQ(trial.config.single, 3);
      study.tell(trial.number, std::abs(trial.config.wide / 1e308) + std::abs(std::log(trial.config.tiny)));
    }
  }
}

// With eight workers, and more trials than a searcher takes into account: what it keeps is what a new one finds.
TEST(Searchers, WhatTheyKeepIsWhatTheHistoryGives) {
  for (const Make make : {tpe, gp}) {
    AskTell<branin_space> study;  // at random: the searcher looks on, and is asked from the 200th trial on
    const auto searcher = make(1);
    const auto suggestions = [&](Searcher& of, const std::vector<TrialRecord>& trials, const TrialRecord& asked) {
      std::vector<double> numbers;
      const TrialRecord trial{.number = asked.number};
      of.begin({trials, Mode::min}, trial);
      for (const Param& param : asked.params) numbers.push_back(of.suggest(trial, param.name, param.distribution));
      return numbers;
    };
    std::vector<std::int64_t> open;
    for (int i = 0; i < 228; ++i) {
      const std::vector<TrialRecord> before = study.trials();
      open.push_back(study.ask().number);
      const TrialRecord& asked = study.trials().back();
      if (i >= 200) {
        const std::vector<double> kept = suggestions(*searcher, before, asked);
        if (i % 9 == 0 || i >= 226) {
          EXPECT_EQ(kept, suggestions(*make(1), before, asked)) << i;
        }
      }
      if (open.size() < 8) continue;
      const auto done = open.begin() + (i * 5) % 8;
      const auto& params = study.trials()[static_cast<std::size_t>(*done)].params;
      study.tell(*done, branin({params[0].number, params[1].number}));
      open.erase(done);
    }
  }
}

// A trial of another program that failed before it had all its parameters.
TEST(Searchers, AFailedTrialWithFewParametersChangesNothing) {
  for (const Make make : {tpe, cma_es, gp}) {
    AskTell<branin_space> study({.searcher = make(1)});
    for (int i = 0; i < 30; ++i) {
      const auto trial = study.ask();
      study.tell(trial.number, branin(trial.config.x));
    }
    const auto suggested = [&](bool with_a) {
      std::vector<TrialRecord> trials = study.trials();
      trials.push_back({.number = 30, .status = TrialStatus::failed});
      if (with_a) trials.back().params.push_back(trials[0].params[0]);
      const TrialRecord trial{.number = 31};
      const auto searcher = make(1);
      searcher->begin({trials, Mode::min}, trial);
      return std::pair(searcher->suggest(trial, "a", trials[0].params[0].distribution),
                       searcher->suggest(trial, "b", trials[0].params[1].distribution));
    };
    EXPECT_EQ(suggested(true), suggested(false));
  }
}

// The shares of an interval that each of `cells` cells has of the first n points.
TEST(AskTell, RefusesResultsOfOtherTrials) {
  AskTell<branin_space> study;
  EXPECT_THAT(message_of([&] { study.tell(0, 1); }), HasSubstr("trial 0 is not one of the 0"));
  const auto trial = study.ask();
  study.tell(trial.number, 1);
  EXPECT_THAT(message_of([&] { study.tell(trial.number, 1); }), HasSubstr("has a result already"));
}

struct Gridded {
  int layers = 0;
  double rate = 0;
};
Gridded gridded(Space& space) { return {space.grid("layers", {1, 2}), space.uniform("rate", 0, 1)}; }

TEST(AskTell, TriesSomeValuesFirst) {
  AskTell<gridded> study({.try_first = {{{"rate", 0.5}}, {{"rate", 1}}, {{"layers", 2}}}});
  EXPECT_EQ(study.ask().config.rate, 0.5);
  EXPECT_EQ(study.ask().config.rate, 1);
  EXPECT_THAT(message_of([&] { study.ask(); }), HasSubstr("for 'layers', which is a grid"));
  AskTell<branin_space> other({.try_first = {{{"c", 1.0}}}});
  EXPECT_THAT(message_of([&] { other.ask(); }), HasSubstr("does not ask for; it asks for: a, b"));
}

TEST(SearcherOptions, AreChecked) {
  EXPECT_THAT(message_of([] { TpeSearcher({.candidates = 0}); }), HasSubstr("TpeOptions::candidates is 0"));
  EXPECT_THAT(message_of([] { CmaEsSearcher({.population = 2}); }), HasSubstr("population is 2"));
  EXPECT_THAT(message_of([] { GpSearcher({.startup_trials = 0}); }), HasSubstr("GpOptions::startup_trials is 0"));
  EXPECT_THAT(message_of([] { CmaEsSearcher({.sigma = std::nan("")}); }), HasSubstr("sigma is nan"));
}

}  // namespace
}  // namespace manta::tune
