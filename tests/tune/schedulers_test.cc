// Schedulers against cases worked by hand.
#include <cmath>
#include <limits>
#include <set>

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
  EXPECT_EQ(report(asha, 0, 1, 10), kGoOn);                            // nobody to compare with
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

TEST(MedianStopping, RefusesWhatMakesNoSense) {
  EXPECT_THAT(message_of([] { MedianStopping({.min_samples_required = 0}); }), HasSubstr("min_samples_required 0"));
}

}  // namespace
}  // namespace manta::tune
