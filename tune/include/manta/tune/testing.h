// Suites that a searcher or a scheduler of one's own can be held to; Manta's are. They need GoogleTest.
//
// Include it in one source of a test program, and name what is to be tested:
//
//     using manta::tune::testing::SearcherSuite;
//     INSTANTIATE_TEST_SUITE_P(Mine, SearcherSuite, ::testing::Values(manta::tune::testing::SearcherCase{
//         "Mine", [](std::uint64_t seed) { return std::make_shared<manta::tune::RandomSearcher>(seed); }}));
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <manta/tune/ask_tell.h>
#include <manta/tune/scheduler.h>
#include <manta/tune/searcher.h>

namespace manta::tune::testing {

/// A searcher to be tested: how one is made. A searcher without a seed leaves it out.
struct SearcherCase {
  std::string name;
  std::function<std::shared_ptr<Searcher>(std::uint64_t seed)> make;
  bool random = true;  ///< whether another seed gives other values
  bool reals = true;   ///< whether it takes real parameters; else the space has integers and choices
};
inline std::ostream& operator<<(std::ostream& out, const SearcherCase& of) { return out << of.name; }

/// A scheduler to be tested.
struct SchedulerCase {
  std::string name;
  std::function<std::shared_ptr<Scheduler>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const SchedulerCase& of) { return out << of.name; }

/// For the last argument of INSTANTIATE_TEST_SUITE_P.
inline constexpr auto name_of = [](const auto& of) { return of.param.name; };

namespace detail {

/// A space with everything: logarithms, integers, choices, a range of one value, parameters that depend on others.
struct Mixed {
  double rate = 0, at = 0, conditional = 0;
  int layers = 0, only = 0;
  std::int64_t wide = 0;
  std::string kind;
};
/// Whether the space of the test that runs has reals.
inline bool has_reals = true;
inline Mixed mixed_space(Space& space) {
  Mixed mixed;
  const auto uniform = [&](const char* name, int low, int high) {
    return has_reals ? space.uniform(name, low, high) : static_cast<double>(space.integer(name, low, high));
  };
  mixed.rate = has_reals ? space.log_uniform("rate", 1e-6, 10) : static_cast<double>(space.log_integer("rate", 1, 10));
  mixed.at = uniform("at", -3, 5);
  mixed.layers = space.integer("layers", 1, 4);
  mixed.wide = space.log_integer("wide", 1, 1'000'000);
  mixed.only = space.integer("only", 7, 7);
  mixed.kind = space.choice("kind", {"rbf", "linear", "poly"});
  if (mixed.kind == "rbf") mixed.conditional = uniform("gamma", 0, 1);
  if (mixed.kind == "poly") mixed.conditional = uniform("degree", 2, 5);
  return mixed;
}
inline double cost_of(const Mixed& mixed) {
  return std::pow(std::log10(mixed.rate) + 2, 2) + std::abs(mixed.at - 1) + std::abs(mixed.layers - 3) +
         (mixed.kind == "linear" ? 0 : 1 + mixed.conditional);
}

}  // namespace detail

/// What fit() relies on. That a value is in its range, the space checks at each suggestion.
class SearcherSuite : public ::testing::TestWithParam<SearcherCase> {
 protected:
  using Study = AskTell<detail::mixed_space>;
  void SetUp() override { detail::has_reals = GetParam().reals; }
  void TearDown() override { detail::has_reals = true; }
  static Study study(std::uint64_t seed = 0, Mode mode = Mode::min) {
    return Study({.mode = mode, .searcher = GetParam().make(seed)});
  }
  static std::vector<double> numbers(std::uint64_t seed, int trials) {
    Study study = SearcherSuite::study(seed);
    std::vector<double> all;
    for (int i = 0; i < trials; ++i) {
      const auto trial = study.ask();
      for (const Param& param : study.trials().back().params) all.push_back(param.number);
      study.tell(trial.number, detail::cost_of(trial.config));
    }
    return all;
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SearcherSuite);

TEST_P(SearcherSuite, SuggestsWhatIsInTheRange) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) EXPECT_NO_THROW((void)numbers(seed, 60));
}

TEST_P(SearcherSuite, SuggestsTheSameForTheSameSeed) {
  EXPECT_EQ(numbers(3, 40), numbers(3, 40));
  if (GetParam().random) {
    EXPECT_NE(numbers(3, 40), numbers(4, 40));
  }
}

// What a study that is resumed does: a new searcher sees the whole history at once.
TEST_P(SearcherSuite, SuggestsTheSameAfterARestart) {
  Study whole = study(1);
  for (int i = 0; i < 50; ++i) {
    const auto trial = whole.ask();
    whole.tell(trial.number, detail::cost_of(trial.config));
  }
  const std::span<const TrialRecord> trials(whole.trials());
  for (const std::size_t known : {0, 1, 11, 25, 49}) {
    const auto again = GetParam().make(1);
    TrialRecord trial{.number = static_cast<std::int64_t>(known)};
    again->begin({trials.first(known), Mode::min}, trial);
    for (const Param& param : trials[known].params) {
      EXPECT_EQ(again->suggest(trial, param.name, param.distribution), param.number) << known << " " << param.name;
      trial.params.push_back(param);
    }
  }
}

// Where Searcher::learns is false, configurations are made before earlier trials have ended.
TEST_P(SearcherSuite, DoesNotLearnWhereItSaysSo) {
  if (GetParam().make(1)->learns()) GTEST_SKIP() << "it learns";
  Study ahead = study(1), after = study(1);
  for (int i = 0; i < 30; ++i) {
    (void)ahead.ask();
    const auto trial = after.ask();
    after.tell(trial.number, detail::cost_of(trial.config));
    const auto &a = ahead.trials().back().params, &b = after.trials().back().params;
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t p = 0; p < a.size(); ++p) EXPECT_EQ(a[p].number, b[p].number);
  }
}

TEST_P(SearcherSuite, TakesResultsInAnyOrderAndFailuresAndInfinities) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Study study = this->study(2, Mode::max);
  std::vector<Study::Asked> open;
  std::mt19937 random(1);
  for (int i = 0; i < 150; ++i) {
    open.push_back(study.ask());
    if (open.size() < 8) continue;
    std::swap(open[random() % open.size()], open.back());
    const auto trial = open.back();
    open.pop_back();
    switch (random() % 8) {
      case 0:
        study.fail(trial.number);
        break;
      case 1:
        study.tell(trial.number, std::numeric_limits<double>::quiet_NaN());
        break;
      case 2:
        study.tell(trial.number, random() % 2 == 0 ? kInfinity : -kInfinity);
        break;
      default:
        study.tell(trial.number, -detail::cost_of(trial.config));
    }
  }
}

TEST_P(SearcherSuite, GoesOnWithoutAResultAndWithResultsThatAreAllTheSame) {
  Study study = this->study();
  for (int i = 0; i < 30; ++i) study.fail(study.ask().number);
  for (int i = 0; i < 30; ++i) study.tell(study.ask().number, 1);
  EXPECT_EQ(study.best()->number, 30);
}

/// What fit() relies on.
class SchedulerSuite : public ::testing::TestWithParam<SchedulerCase> {
 protected:
  // Reports of trials in turn: (trial, iteration, score).
  struct Report {
    std::int64_t trial, iteration;
    double score;
  };
  static std::vector<Report> reports(std::uint32_t seed, std::int64_t trials, std::int64_t iterations) {
    std::mt19937 random(seed);
    std::vector<std::int64_t> next(static_cast<std::size_t>(trials), 1);
    std::vector<Report> all;
    while (static_cast<std::int64_t>(all.size()) < trials * iterations) {
      const auto trial = static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(trials));
      std::int64_t& iteration = next[static_cast<std::size_t>(trial)];
      if (iteration > iterations) continue;
      all.push_back({trial, iteration++, static_cast<double>(random() % 1000) / 1000});
    }
    return all;
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SchedulerSuite);

TEST_P(SchedulerSuite, DecidesTheSameForTheSameReports) {
  const auto one = GetParam().make(), other = GetParam().make();
  for (const Report& each : reports(1, 50, 20)) {
    EXPECT_EQ(one->on_report({.number = each.trial}, each.iteration, each.score),
              other->on_report({.number = each.trial}, each.iteration, each.score));
  }
}

TEST_P(SchedulerSuite, DoesNotStopTheBest) {
  const auto scheduler = GetParam().make();
  for (const Report& each : reports(2, 50, 20)) {
    const bool best = each.trial == 7;
    const Decision decision = scheduler->on_report({.number = each.trial}, each.iteration, best ? 2 : each.score);
    if (best) {
      EXPECT_NE(decision, Decision::stop) << "in iteration " << each.iteration;
    }
  }
}

TEST_P(SchedulerSuite, TakesWhatIsNoNumberAndTrialsThatRunAgain) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto scheduler = GetParam().make();
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    const double scores[] = {0.5, kNan, kInfinity, -kInfinity, static_cast<double>(random() % 10)};
    const TrialRecord trial{.number = static_cast<std::int64_t>(random() % 20)};
    (void)scheduler->on_report(trial, 1 + static_cast<std::int64_t>(random() % 30), scores[random() % 5]);
    if (random() % 10 == 0) scheduler->on_end(trial);  // and it may report again: another attempt
  }
}

}  // namespace manta::tune::testing
