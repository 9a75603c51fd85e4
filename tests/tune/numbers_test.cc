// What metrics that are no numbers do to a study, and mistakes of a space that are corrected.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include <manta/manta.h>
#include <manta/tune.h>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace {

namespace tune = manta::tune;

using ::testing::HasSubstr;

struct Config {
  double x = 0;
};
Config line(tune::Space& space) { return {space.uniform("x", 0, 1)}; }

class Numbers : public FolderTest {
 protected:
  tune::RunConfig run(const char* name = "study") const {
    return {.name = name, .storage_path = folder_, .tensorboard = false, .verbose = false};
  }
};

double strange(tune::Trial& trial, const Config&) {
  const double results[] = {NAN, INFINITY, 3, -INFINITY};
  return results[trial.number()];
}

TEST_F(Numbers, AResultThatIsNanIsAFailureAndInfinityIsAResult) {
  const auto results = tune::Tuner<line, strange>({.mode = tune::Mode::max, .num_samples = 4}, run()).fit();
  const auto& trials = results.trials();
  EXPECT_EQ(trials[0].status, tune::TrialStatus::failed);
  EXPECT_THAT(trials[0].error, HasSubstr("'value', is NaN"));
  EXPECT_EQ(trials[0].value, std::nullopt);
  for (const std::size_t i : {1, 2, 3}) EXPECT_EQ(trials[i].status, tune::TrialStatus::complete);
  EXPECT_EQ(results.best().number, 1);
  const auto least = tune::Tuner<line, strange>({.num_samples = 4}, run("least")).fit();
  EXPECT_EQ(least.best().number, 3);
}

double reports_nan(tune::Trial& trial, const Config&) {
  trial.report({{"value", NAN}});
  trial.report({{"value", INFINITY}, {"other", NAN}});
  trial.report({{"value", 1}});
  return 1;
}

TEST_F(Numbers, AReportMayBeNan) {
  const auto results = tune::Tuner<line, reports_nan>({}, run()).fit();
  ASSERT_EQ(results.best().reports.size(), 3U);
  EXPECT_TRUE(std::isnan(results.best().reports[0].value));
  EXPECT_EQ(results.best().reports[2].value, 1);
}

double reports_at(tune::Trial& trial, const Config&, double iteration) {
  trial.report({{"value", 1}, {"training_iteration", iteration}});
  return 1;
}
double reports_unnamed(tune::Trial& trial, const Config&) {
  trial.report({{"value", 1}, {"", 2}});
  return 1;
}
tune::Metrics returns_unnamed(tune::Trial&, const Config&) { return {{"value", 1}, {"", 2}}; }

TEST_F(Numbers, IterationsThatAreNoneAndMetricsWithoutANameFail) {
  int study = 0;
  for (const double iteration : {static_cast<double>(NAN), static_cast<double>(INFINITY), -1.0, 1.5, 1e300}) {
    const auto results = tune::Tuner<line, reports_at>({}, run(std::to_string(study++).c_str())).fit(iteration);
    EXPECT_THAT(results.trials()[0].error, HasSubstr("training_iteration is")) << iteration;
  }
  EXPECT_EQ((tune::Tuner<line, reports_at>({}, run("7")).fit(7.0).best().reports[0].iteration), 7);
  const auto reported = tune::Tuner<line, reports_unnamed>({}, run("reported")).fit();
  EXPECT_THAT(reported.trials()[0].error, HasSubstr("a metric has the empty name"));
  const auto returned = tune::Tuner<line, returns_unnamed>({}, run("returned")).fit();
  EXPECT_THAT(returned.trials()[0].error, HasSubstr("a metric has the empty name"));
}

double low = 1;  // of this process, in which the space function is called
Config changing(tune::Space& space) { return {space.uniform("x", low, 0.5)}; }
double itself(tune::Trial&, const Config& config) { return config.x; }

TEST_F(Numbers, AWrongRangeIsCorrectedAndTheStudyBegins) {
  low = 1;
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<changing, itself>({.metric = "loss"}, run()).fit(); }),
              HasSubstr("'x': the range [1, 0.5] is empty"));
  low = 0;
  EXPECT_TRUE((tune::Tuner<changing, itself>({.mode = tune::Mode::max}, run()).fit().best().value.has_value()));
}

}  // namespace
