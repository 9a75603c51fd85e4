// Schedulers against cases worked by hand.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>

#include <manta/tune/scheduler.h>

#include "tests/support/message.h"

namespace manta::tune {
namespace {

using ::testing::HasSubstr;

constexpr auto kGoOn = Decision::go_on;
constexpr auto kStop = Decision::stop;
constexpr auto kFinish = Decision::finish;

Decision report(Scheduler& scheduler, std::int64_t trial, std::int64_t iteration, double score) {
  return scheduler.on_report({.number = trial}, iteration, score);
}

TEST(Asha, KeepsTheBestQuarterOfEachRung) {
  Asha asha({.max_t = 16, .grace_period = 1, .reduction_factor = 4});  // rungs 1, 4, 16
  EXPECT_EQ(report(asha, 0, 1, 10), kGoOn);                            // no earlier report at this rung
  EXPECT_EQ(report(asha, 1, 1, 20), kGoOn);
  EXPECT_EQ(report(asha, 2, 1, 5), kStop);   // 75 % of {10, 20}: 17.5
  EXPECT_EQ(report(asha, 3, 1, 16), kGoOn);  // of {5, 10, 20}: 15
  EXPECT_EQ(report(asha, 4, 1, 16), kStop);  // of {5, 10, 16, 20}: 17
  EXPECT_EQ(report(asha, 0, 2, 0), kGoOn);   // between rungs nothing is decided
  EXPECT_EQ(report(asha, 0, 3, 0), kGoOn);
  EXPECT_EQ(report(asha, 1, 4, 30), kGoOn);  // the first at the next rung
  EXPECT_EQ(report(asha, 0, 4, 29), kStop);
  EXPECT_EQ(report(asha, 1, 15, 0), kGoOn);
  EXPECT_EQ(report(asha, 1, 16, 0), kFinish);
}

TEST(Asha, ATieGoesOn) {
  Asha asha({.max_t = 9, .reduction_factor = 3});
  for (int trial = 0; trial < 5; ++trial) EXPECT_EQ(report(asha, trial, 1, 1), kGoOn);
}

TEST(Asha, AReportBehindTwoRungsCountsAtTheHigherOne) {
  Asha asha({.max_t = 100, .grace_period = 1, .reduction_factor = 10});  // rungs 1, 10, 100
  EXPECT_EQ(report(asha, 0, 12, 5), kGoOn);
  EXPECT_EQ(report(asha, 0, 13, -5), kGoOn);  // then at the rung below, empty as well
  EXPECT_EQ(report(asha, 1, 1, -6), kStop);
  EXPECT_EQ(report(asha, 2, 11, 4), kStop);
}

TEST(Asha, TheLastRungIsNotLostToRounding) {
  Asha asha({.max_t = 1001, .grace_period = 1, .reduction_factor = 10});  // 1, 10, 100, 1000
  EXPECT_EQ(report(asha, 0, 1000, 1), kGoOn);
  EXPECT_EQ(report(asha, 1, 1000, 0), kStop);
}

TEST(Asha, WhatIsNoNumberIsStoppedAndDoesNotCount) {
  Asha asha({.max_t = 16});
  EXPECT_EQ(report(asha, 0, 1, NAN), kGoOn);
  EXPECT_EQ(report(asha, 1, 1, 1), kGoOn);
  EXPECT_EQ(report(asha, 2, 1, NAN), kStop);
  EXPECT_EQ(report(asha, 3, 1, -INFINITY), kStop);
}

TEST(Asha, InfinitiesAreAboveOrBelowEveryNumber) {
  Asha both({.max_t = 16, .reduction_factor = 2});
  EXPECT_EQ(report(both, 0, 1, 5), kGoOn);
  EXPECT_EQ(report(both, 1, 1, INFINITY), kGoOn);
  EXPECT_EQ(report(both, 2, 1, 4), kStop);  // the lower of 5 and infinity
  EXPECT_EQ(report(both, 3, 1, 5), kGoOn);
  EXPECT_EQ(report(both, 4, 1, -INFINITY), kStop);
  EXPECT_EQ(report(both, 5, 1, -INFINITY), kStop);  // a tie at the bottom is no tie with the cut-off
  EXPECT_EQ(report(both, 6, 1, INFINITY), kGoOn);
}

// The quantile as it was before it grew, from all scores each time.
double sorted_quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double low = values[below], high = values[std::min(below + 1, values.size() - 1)];
  return low == high ? low : low + (place - static_cast<double>(below)) * (high - low);
}

TEST(GrowingQuantile, IsThatOfAllNumbersWhileTheyComeAndGo) {
  std::mt19937 random(3);
  for (const double share : {0.0, 0.5, 2.0 / 3, 0.75, 1.0}) {
    detail::GrowingQuantile quantile(share);
    std::vector<double> values;
    for (int i = 0; i < 400; ++i) {
      if (values.size() > 1 && random() % 3 == 0) {
        const std::size_t at = random() % values.size();
        quantile.remove(values[at]);
        values.erase(values.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        values.push_back(static_cast<double>(random() % 50));
        quantile.add(values.back());
      }
      ASSERT_EQ(quantile.size(), values.size());
      ASSERT_DOUBLE_EQ(quantile.value(), sorted_quantile(values, share)) << share << " " << i;
    }
  }
}

// CPU seconds of 100,000 reports; quadratic costs take minutes.
double seconds_of_reports(Scheduler& scheduler, int trials, int iterations) {
  std::mt19937 random(1);
  std::uniform_real_distribution<> score(0, 1);
  const std::clock_t start = std::clock();  // of the CPU: other programs run beside
  for (int iteration = 1; iteration <= iterations; ++iteration) {
    for (int trial = 0; trial < trials; ++trial) (void)report(scheduler, trial, iteration, score(random));
  }
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST(Schedulers, CostsGrowWithTheNumberOfReports) {
  Asha asha({.max_t = 1000});
  EXPECT_LT(seconds_of_reports(asha, 100'000, 1), 1);
  MedianStopping few({.grace_period = 1}), many({.grace_period = 1});
  EXPECT_LT(seconds_of_reports(few, 1000, 100), 1);
  EXPECT_LT(seconds_of_reports(many, 20'000, 5), 1);
}

TEST(Asha, ATrialThatIsRunAgainIsNotComparedWithItself) {
  Asha asha({.max_t = 16});
  EXPECT_EQ(report(asha, 0, 1, 1), kGoOn);
  EXPECT_EQ(report(asha, 1, 1, 9), kGoOn);
  EXPECT_EQ(report(asha, 0, 1, 1), kGoOn);  // again: its place at the rung is known
}

TEST(Asha, BracketsBeginLaterEach) {
  Asha asha({.max_t = 64, .grace_period = 1, .reduction_factor = 4, .brackets = 2});  // 1, 4, 16, 64 and 4, 16, 64
  int at_first = 0;
  std::set<bool> kinds;
  for (int trial = 0; trial < 200; ++trial) {
    (void)report(asha, 1000 + trial, 1, 100);
    const bool stopped = report(asha, trial, 1, -trial) == kStop;
    at_first += stopped ? 1 : 0;
    kinds.insert(stopped);
  }
  EXPECT_EQ(kinds.size(), 2U);
  EXPECT_NEAR(at_first, 200 * std::exp(4) / (std::exp(4) + std::exp(3)), 26);
}

TEST(Asha, RefusesWhatMakesNoSense) {
  EXPECT_THAT(message_of([] { Asha({.max_t = 0}); }), HasSubstr("1 <= grace_period <= max_t"));
  EXPECT_THAT(message_of([] { Asha({.grace_period = 0}); }), HasSubstr("grace_period 0"));
  EXPECT_THAT(message_of([] { Asha({.reduction_factor = 1}); }), HasSubstr("above 1"));
  EXPECT_THAT(message_of([] { Asha({.brackets = 0}); }), HasSubstr("at least 1"));
  EXPECT_THAT(message_of([] { Asha({.max_t = 16, .brackets = 4}); }),
              HasSubstr("4 brackets need more rungs than the 3"));
}

TEST(MedianStopping, StopsWhatIsBelowTheMedianOfRunningMeans) {
  MedianStopping median({.grace_period = 2, .min_samples_required = 3});
  for (const auto& [trial, score] : {std::pair(0, 1.0), {1, 2.0}, {2, 6.0}}) {
    EXPECT_EQ(report(median, trial, 1, 100), kGoOn);  // before the grace period: it does not count
    EXPECT_EQ(report(median, trial, 2, score), kGoOn);
    EXPECT_EQ(report(median, trial, 3, score + 2), kGoOn);
  }
  // Means of iterations 2 and 3: 2, 3, 7; their median 3.
  EXPECT_EQ(report(median, 3, 1, 0), kGoOn);
  EXPECT_EQ(report(median, 3, 2, 1.9), kStop);  // of the means at 2: 1, 2, 6
  EXPECT_EQ(report(median, 4, 2, 2), kGoOn);
  EXPECT_EQ(report(median, 4, 3, 0), kStop);  // the others' means at 3: 2, 3, 7; its best is 2
  EXPECT_EQ(report(median, 5, 3, 3), kGoOn);
}

TEST(MedianStopping, WaitsForEnoughOthersThatGotAsFar) {
  MedianStopping median({.grace_period = 1, .min_samples_required = 2});
  EXPECT_EQ(report(median, 0, 5, 10), kGoOn);
  EXPECT_EQ(report(median, 1, 1, 10), kGoOn);
  EXPECT_EQ(report(median, 2, 4, 0), kGoOn);  // only trial 0 got as far
  EXPECT_EQ(report(median, 1, 4, 10), kGoOn);
  EXPECT_EQ(report(median, 2, 5, 0), kGoOn);
  EXPECT_EQ(report(median, 1, 5, 10), kGoOn);
  EXPECT_EQ(report(median, 2, 5, 0), kStop);
}

TEST(MedianStopping, InfinitiesAreAboveOrBelowEveryNumber) {
  MedianStopping median({.grace_period = 1, .min_samples_required = 2});
  EXPECT_EQ(report(median, 0, 1, NAN), kGoOn);
  EXPECT_EQ(report(median, 1, 1, INFINITY), kGoOn);
  EXPECT_EQ(report(median, 2, 1, 5), kGoOn);  // between -infinity and infinity: the lower
  EXPECT_EQ(report(median, 3, 1, 4), kStop);  // the median is 5
  EXPECT_EQ(report(median, 4, 1, NAN), kStop);
  EXPECT_EQ(report(median, 1, 2, -INFINITY), kGoOn);
  EXPECT_EQ(report(median, 0, 2, 3), kGoOn);
  EXPECT_EQ(report(median, 2, 2, 7), kGoOn);  // the means of 0 and 1 are -infinity
}

// The rule as it was before, from all reports each time.
class PlainMedian : public Scheduler {
 public:
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override {
    auto& own = scores_[trial.number];
    own.erase(own.lower_bound(iteration), own.end());
    own[iteration] = score;
    if (iteration < 2) return kGoOn;
    std::vector<double> means;
    for (const auto& [number, scores] : scores_) {
      if (number == trial.number || scores.rbegin()->first < iteration) continue;
      double sum = 0, count = 0;
      for (auto at = scores.lower_bound(2); at != scores.end() && at->first <= iteration; ++at, ++count)
        sum += at->second;
      if (count > 0) means.push_back(sum / count);
    }
    if (means.size() < 3) return kGoOn;
    double best = -INFINITY;
    for (const auto& [at, each] : own) best = std::max(best, each);
    return best < sorted_quantile(means, 0.5) ? kStop : kGoOn;
  }

 private:
  std::map<std::int64_t, std::map<std::int64_t, double>> scores_;
};

TEST(MedianStopping, DecidesAsFromAllReportsEachTime) {
  std::mt19937 random(7);
  PlainMedian plain;
  MedianStopping median({.grace_period = 2, .min_samples_required = 3});
  std::map<std::int64_t, std::int64_t> at;
  int stops = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t trial = random() % 30;
    if (random() % 40 == 0) at[trial] /= 2;  // it is run again
    at[trial] += 1 + static_cast<std::int64_t>(random() % 3);
    const double score = static_cast<double>(random() % 8 + 8 * (static_cast<unsigned>(trial) % 8));  // sums are exact
    const Decision decision = report(median, trial, at[trial], score);
    ASSERT_EQ(decision, report(plain, trial, at[trial], score)) << i;
    stops += decision == kStop;
  }
  EXPECT_GT(stops, 100);
}

TEST(MedianStopping, RefusesWhatMakesNoSense) {
  EXPECT_THAT(message_of([] { MedianStopping({.min_samples_required = 0}); }), HasSubstr("min_samples_required 0"));
}

}  // namespace
}  // namespace manta::tune
