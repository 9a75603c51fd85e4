// Schedulers as Optuna's pruners: each against its definition, computed anew from all reports.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include <gmock/gmock.h>

#include <manta/tune.h>

#include "tests/support/message.h"
#include "tune/schedulers/signed_rank.h"
#include "tune/searchers/draws.h"

namespace manta::tune {
namespace {

using ::testing::HasSubstr;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TrialRecord ended(std::int64_t number, double value, TrialStatus status = TrialStatus::complete) {
  TrialRecord trial{.number = number, .status = status};
  if (status != TrialStatus::failed) trial.value = value;
  return trial;
}

// --- percentile

double percentile_of(std::vector<double> values, double percent) {  // NumPy's
  std::sort(values.begin(), values.end());
  const double place = percent / 100 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - std::floor(place)) * (values[high] - values[low]);
}

TEST(PercentileStopping, DecidesAsItsDefinitionSays) {
  detail::Draws draws(1, 1, "percentile");
  for (int round = 0; round < 40; ++round) {
    const PercentileOptions options{.percentile = 100 * draws.share(),
                                    .startup_trials = static_cast<std::int64_t>(draws.bits() % 6),
                                    .grace_period = static_cast<std::int64_t>(draws.bits() % 5),
                                    .interval = 1 + static_cast<std::int64_t>(draws.bits() % 4),
                                    .min_trials = 1 + static_cast<std::int64_t>(draws.bits() % 3)};
    PercentileStopping scheduler(options);
    std::map<std::int64_t, std::vector<double>> complete;  // by iteration
    std::int64_t completed = 0;
    for (std::int64_t trial = 0; trial < 30; ++trial) {
      std::map<std::int64_t, double> own;
      double best = -INFINITY;
      std::int64_t iteration = 0, before = -1;
      for (int i = 0; i < 8; ++i) {
        before = own.empty() ? -1 : iteration;
        iteration += 1 + static_cast<std::int64_t>(draws.bits() % 2);
        own[iteration] = std::floor(20 * draws.share());
        best = std::max(best, own[iteration]);
        bool checked = false;  // whether a check lies after the report before
        for (std::int64_t at = options.grace_period; at <= iteration; at += options.interval)
          checked = checked || at > before;
        const bool stops = completed > 0 && completed >= options.startup_trials && checked &&
                           complete.contains(iteration) &&
                           static_cast<std::int64_t>(complete[iteration].size()) >= options.min_trials &&
                           best < percentile_of(complete[iteration], 100 - options.percentile);
        ASSERT_EQ(scheduler.on_report({.number = trial}, iteration, own[iteration]) == Decision::stop, stops)
            << "round " << round << ", trial " << trial << ", iteration " << iteration;
      }
      const bool is_complete = draws.bits() % 4 != 0;
      scheduler.on_end(ended(trial, 0, is_complete ? TrialStatus::complete : TrialStatus::stopped));
      if (!is_complete) continue;
      ++completed;
      for (const auto& [at, score] : own) complete[at].push_back(score);
    }
  }
}

// --- threshold

TEST(ThresholdStopping, StopsOutsideOfItsLimits) {
  ThresholdStopping scheduler({.mode = Mode::min, .lower = -1, .upper = 2});
  const auto report = [&](std::int64_t trial, std::int64_t iteration, double loss) {
    return scheduler.on_report({.number = trial}, iteration, -loss);
  };
  EXPECT_EQ(report(0, 1, 2), Decision::go_on);
  EXPECT_EQ(report(0, 2, -1), Decision::go_on);
  EXPECT_EQ(report(0, 3, 2.01), Decision::stop);
  EXPECT_EQ(report(1, 1, -1.01), Decision::stop);
  EXPECT_EQ(report(2, 1, kNan), Decision::stop);
  EXPECT_EQ(report(3, 1, INFINITY), Decision::stop);
}

TEST(ThresholdStopping, LooksOnceInEachInterval) {
  ThresholdStopping scheduler({.mode = Mode::max, .lower = 0, .grace_period = 3, .interval = 4});
  std::vector<std::int64_t> stopped;
  for (std::int64_t iteration = 1; iteration <= 12; ++iteration) {
    if (iteration == 7) continue;  // the check waits for the next report
    if (scheduler.on_report({.number = 0}, iteration, -1) == Decision::stop) stopped.push_back(iteration);
  }
  EXPECT_THAT(stopped, ::testing::ElementsAre(3, 8, 11));
}

// --- patience

struct Always : Scheduler {
  explicit Always(Decision made) : decision(made) {}
  Decision on_report(const TrialRecord&, std::int64_t, double) override { return ++reports, decision; }
  void on_end(const TrialRecord&) override { ++ends; }
  Decision decision;
  int reports = 0, ends = 0;
};

TEST(PatientStopping, StopsOnceNothingGotBetter) {
  PatientStopping scheduler(std::make_shared<Always>(Decision::stop), {.patience = 2, .min_delta = 0.5});
  std::vector<bool> stops;
  for (const double score : {1.0, 3.0, 2.6, 2.4, 2.4, 2.4, 2.6})
    stops.push_back(scheduler.on_report({.number = 1}, static_cast<std::int64_t>(stops.size()), score) ==
                    Decision::stop);
  // The sixth is the third in a row below 3 - 0.5.
  EXPECT_THAT(stops, ::testing::ElementsAre(false, false, false, false, false, true, false));
  PatientStopping strict(nullptr, {.patience = 1});
  stops.clear();
  for (const double score : {1.0, 3.0, 2.9, 2.6, 2.4, 3.1})
    stops.push_back(strict.on_report({.number = 1}, static_cast<std::int64_t>(stops.size()), score) == Decision::stop);
  EXPECT_THAT(stops, ::testing::ElementsAre(false, false, false, true, true, false));
}

TEST(PatientStopping, PassesReportsAndOtherDecisionsOn) {
  const auto other = std::make_shared<Always>(Decision::finish);
  PatientStopping scheduler(other, {.patience = 5});
  EXPECT_EQ(scheduler.on_report({.number = 1}, 1, 1), Decision::finish);
  scheduler.on_end(ended(1, 1));
  EXPECT_EQ(other->reports, 1);
  EXPECT_EQ(other->ends, 1);
}

// --- Wilcoxon

// By scipy.stats.wilcoxon(d, alternative="greater", zero_method="zsplit").
TEST(SignedRank, IsSciPys) {
  const std::vector<double> many = [] {
    std::vector<double> all;
    for (int i = 1; i <= 60; ++i) all.push_back((i * 37 % 61) - 25.5);
    return all;
  }();
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{1.0, 2.0, 3.0}), 0.125, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{1.0, -2.0, 3.0, 4.0, -5.5, 6.0}), 0.28125, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{1.0, 1.0, 2.0, -1.0, 0.0, 3.0}), 0.125, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{0.0, 0.0, 0.0, 0.0}), 1.0, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{2.0, 2.0, 2.0, 2.0, 2.0}), 0.03125, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{
                  0.5, 1.0, -1.5, 2.0, 2.5,  -3.0,  3.5,  4.0,  -4.5,  5.0,  5.5,  -6.0,  6.5,  7.0,  -7.5,
                  8.0, 8.5, -9.0, 9.5, 10.0, -10.5, 11.0, 11.5, -12.0, 12.5, 13.0, -13.5, 14.0, 14.5, -15.0}),
              0.08529919758439064, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(std::vector<double>{-2.0, -1.0, 0.0, 1.0, 2.0,  3.0,  4.0, -2.0, -1.0, 0.0,
                                                        1.0,  2.0,  3.0, 4.0, -2.0, -1.0, 0.0, 1.0,  2.0,  3.0}),
              0.04535620868737739, 1e-12);
  EXPECT_NEAR(detail::signed_rank_p(many), 0.020525336233043676, 1e-12);
}

TEST(WilcoxonStopping, StopsWhatIsWorseThanTheBestOnTheSameProblems) {
  WilcoxonStopping scheduler({.mode = Mode::min});
  const auto report = [&](std::int64_t trial, std::int64_t problem, double loss) {
    return scheduler.on_report({.number = trial}, problem, -loss);
  };
  for (int problem = 0; problem < 8; ++problem) EXPECT_EQ(report(0, problem, problem), Decision::go_on);
  scheduler.on_end(ended(0, 3.5));
  // One worse each time: p is 1/2, 1/4, 1/8, 1/16 (ties: exact).
  std::vector<Decision> decisions;
  for (int problem = 0; problem < 5; ++problem) decisions.push_back(report(1, problem, problem + 1));
  EXPECT_THAT(decisions, ::testing::ElementsAre(Decision::go_on, Decision::go_on, Decision::go_on, Decision::go_on,
                                                Decision::go_on));  // its mean is better: of easier problems
  for (int problem = 5; problem < 8; ++problem) decisions.push_back(report(1, problem, problem + 1));
  EXPECT_EQ(decisions.back(), Decision::stop);
  // A better trial takes its place, a failed or a stopped one does not.
  for (int problem = 0; problem < 8; ++problem) (void)report(2, problem, problem - 1);
  scheduler.on_end(ended(2, 2.5, TrialStatus::stopped));
  EXPECT_EQ(report(3, 7, 7.5), Decision::go_on);
  EXPECT_EQ(report(3, 8, kNan), Decision::go_on);
}

// --- HyperBand

TEST(HyperBand, HasBracketsInItsProportions) {
  const HyperBand scheduler({.min_t = 1, .max_t = 81, .reduction_factor = 3});
  ASSERT_EQ(scheduler.brackets(), 5);
  std::vector<int> counts(5);
  for (std::int64_t trial = 0; trial < 14'300; ++trial) ++counts[static_cast<std::size_t>(scheduler.bracket_of(trial))];
  const std::vector<int> shares{81, 34, 15, 8, 5};  // ceil(5 * 3^s / (s + 1)): of 143
  for (std::size_t b = 0; b < 5; ++b) EXPECT_NEAR(counts[b], shares[b] * 100, 6 * std::sqrt(shares[b] * 100)) << b;
}

// At each rung, the best third of those that came there, or the best.
TEST(HyperBand, DecidesAsItsDefinitionSays) {
  HyperBand scheduler({.min_t = 2, .max_t = 40, .reduction_factor = 3, .seed = 4});
  detail::Draws draws(1, 1, "hyper band");
  std::map<std::pair<int, std::int64_t>, std::vector<double>> rungs;  // by bracket and iteration
  std::set<std::int64_t> stopped;
  for (std::int64_t iteration = 1; iteration <= 40; ++iteration) {
    for (std::int64_t trial = 0; trial < 200; ++trial) {
      if (stopped.contains(trial)) continue;
      const double score = std::floor(1000 * draws.share());
      const int bracket = scheduler.bracket_of(trial);
      const Decision decision = scheduler.on_report({.number = trial}, iteration, score);
      if (iteration == 40) {
        EXPECT_EQ(decision, Decision::finish);
        continue;
      }
      bool is_rung = false;
      for (std::int64_t at = 2 * static_cast<std::int64_t>(std::pow(3, bracket)); at <= iteration; at *= 3)
        is_rung = is_rung || at == iteration;
      bool stops = false;
      if (is_rung) {
        std::vector<double>& rung = rungs[{bracket, iteration}];
        rung.push_back(score);
        std::sort(rung.rbegin(), rung.rend());
        stops = score < rung[std::max<std::size_t>(1, rung.size() / 3) - 1];
      }
      ASSERT_EQ(decision == Decision::stop, stops) << "trial " << trial << ", iteration " << iteration;
      if (stops) stopped.insert(trial);
    }
  }
  EXPECT_LT(stopped.size(), 200U);
  EXPECT_GT(stopped.size(), 100U);
}

TEST(HyperBand, BootstrapTrialsStopFirst) {
  HyperBand scheduler({.min_t = 1, .max_t = 2, .reduction_factor = 3, .bootstrap_trials = 2});
  ASSERT_EQ(scheduler.brackets(), 1);
  EXPECT_EQ(scheduler.on_report({.number = 0}, 1, 5), Decision::stop);
  EXPECT_EQ(scheduler.on_report({.number = 1}, 1, 6), Decision::stop);
  EXPECT_EQ(scheduler.on_report({.number = 2}, 1, 7), Decision::go_on);
  EXPECT_EQ(scheduler.on_report({.number = 3}, 1, kNan), Decision::stop);
}

// Each bracket's searcher is asked for its trials, and knows of those of the others only that there are some.
struct Watching : Searcher {
  Watching(std::vector<std::set<std::int64_t>>& of, int is) : all(of), bracket(static_cast<std::size_t>(is)) {}
  void begin(const History& history, const TrialRecord& trial) override {
    for (const TrialRecord& each : history.trials) {
      EXPECT_EQ(all[bracket].contains(each.number), !each.params.empty());
      EXPECT_EQ(all[bracket].contains(each.number) ? TrialStatus::complete : TrialStatus::failed, each.status);
    }
    all[bracket].insert(trial.number);
  }
  double suggest(const TrialRecord&, std::string_view, const Distribution&) override { return 0.5; }
  std::vector<std::set<std::int64_t>>& all;
  std::size_t bracket;
};
double line(Space& space) { return space.uniform("x", 0, 1); }

TEST(BracketSearcher, ShowsEachBracketItsOwnTrials) {
  const auto scheduler = std::make_shared<HyperBand>(HyperBandOptions{.max_t = 27});
  std::vector<std::set<std::int64_t>> all(static_cast<std::size_t>(scheduler->brackets()));
  AskTell<line> study({.searcher = std::make_shared<BracketSearcher>(
                           scheduler, [&](int bracket) { return std::make_shared<Watching>(all, bracket); })});
  for (int i = 0; i < 60; ++i) {
    const auto trial = study.ask();
    EXPECT_TRUE(all[static_cast<std::size_t>(scheduler->bracket_of(trial.number))].contains(trial.number));
    study.tell(trial.number, 1);
  }
}

TEST(StoppingOptions, AreChecked) {
  const auto refused = [](auto make) { return message_of([&] { (void)make(); }); };
  EXPECT_THAT(refused([] { return PercentileStopping({.percentile = 101}); }), HasSubstr("percentile is 101"));
  EXPECT_THAT(refused([] { return PercentileStopping({.interval = 0}); }), HasSubstr("Next: give at least 1"));
  EXPECT_THAT(refused([] { return ThresholdStopping({}); }), HasSubstr("there is no limit"));
  EXPECT_THAT(refused([] { return ThresholdStopping({.lower = 2, .upper = 1}); }), HasSubstr("lower is above upper"));
  EXPECT_THAT(refused([] { return PatientStopping(nullptr, {.patience = -1}); }), HasSubstr("patience is below 0"));
  EXPECT_THAT(refused([] { return PatientStopping(nullptr, {.min_delta = kNan}); }), HasSubstr("min_delta"));
  EXPECT_THAT(refused([] { return WilcoxonStopping({.p_threshold = 2}); }), HasSubstr("p_threshold is 2"));
  EXPECT_THAT(refused([] { return HyperBand({.min_t = 5, .max_t = 4}); }), HasSubstr("1 <= min_t <= max_t"));
  EXPECT_THAT(refused([] { return HyperBand({.reduction_factor = 1}); }), HasSubstr("reduction_factor is 1"));
}

}  // namespace
}  // namespace manta::tune
