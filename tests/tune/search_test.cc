// How a study is searched, with real worker processes: as by ask and tell, from where, and until when.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

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
double itself(tune::Trial&, const Config& config) { return config.x; }

class Search : public FolderTest {
 protected:
  tune::RunConfig run(std::string name = "study") const {
    return {.name = std::move(name), .storage_path = folder_, .verbose = false};
  }
};

// A study and a loop of the program's own choose alike; a study that was interrupted goes on as if it had not been.
TEST_F(Search, AStudyIsSearchedAsByAskAndTell) {
  const auto searcher = [] { return std::make_shared<tune::TpeSearcher>(tune::TpeOptions{.seed = 7}); };
  tune::AskTell<line> asked({.searcher = searcher()});
  for (int i = 0; i < 40; ++i) {
    const auto trial = asked.ask();
    asked.tell(trial.number, trial.config.x);
  }
  for (const std::int64_t samples : {15, 40}) {
    tune::RunConfig run = this->run();
    run.resume = true;
    const auto results =
        tune::Tuner<line, itself>({.num_samples = samples, .max_concurrent_trials = 1, .searcher = searcher()}, run)
            .fit();
    ASSERT_EQ(results.trials().size(), static_cast<std::size_t>(samples));
    for (std::size_t i = 0; i < results.trials().size(); ++i) {
      EXPECT_EQ(results.trials()[i].params[0].number, asked.trials()[i].params[0].number) << i;
    }
  }
}

int finite(tune::Space& space) {
  const int a = space.integer("a", 1, 3);
  return 10 * a + (a == 2 ? space.integer("b", 1, 4) : 0);
}
double as_it_is(tune::Trial&, const int& config) { return config; }

TEST_F(Search, AStudyEndsOnceEachConfigurationWasTried) {
  const auto results = tune::Tuner<finite, as_it_is>(
                           {.num_samples = 1000, .searcher = std::make_shared<tune::BruteForceSearcher>()}, run())
                           .fit();
  std::vector<int> tried;
  for (const auto& trial : results.trials()) tried.push_back(trial.config);
  EXPECT_THAT(tried, ::testing::UnorderedElementsAre(10, 21, 22, 23, 24, 30));
  EXPECT_FALSE(results.interrupted());
}

double tenths(tune::Trial& trial, const Config&) { return 1 - 0.1 * static_cast<double>(trial.number()); }
double naps(tune::Trial&, const Config&) {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return 1;
}

TEST_F(Search, EndsAtATargetAndGoesOnWithAnother) {
  tune::RunConfig run = this->run();
  run.resume = true;
  const auto tuned = [&](double target) {
    return tune::Tuner<line, tenths>({.num_samples = 10,
                                      .max_concurrent_trials = 1,
                                      .searcher = std::make_shared<tune::TpeSearcher>(),
                                      .target = target},
                                     run)
        .fit();
  };
  const auto half = tuned(0.55);
  EXPECT_EQ(half.why_ended(), "the target 0.55 is reached");
  EXPECT_NEAR(*half.best().value, 0.5, 1e-9);
  EXPECT_FALSE(half.interrupted());
  EXPECT_THAT(half.summary(), HasSubstr("ended: the target 0.55 is reached; RunConfig::resume goes on"));
  EXPECT_EQ(tuned(0.55).trials().size(), half.trials().size()) << "nothing is left to do";
  const auto whole = tuned(-1);
  EXPECT_EQ(whole.why_ended(), "");
  EXPECT_EQ(whole.trials().size(), 10U);
}

TEST_F(Search, EndsWhenNothingGetsBetterOrTheTimeIsOver) {
  const auto patient =
      tune::Tuner<line, naps>({.num_samples = 1000, .max_concurrent_trials = 1, .patience = 5}, run("a")).fit();
  EXPECT_EQ(patient.why_ended(), "5 trials in a row were no better than the best one");
  EXPECT_LT(patient.trials().size(), 10U);
  const auto timed =
      tune::Tuner<line, naps>({.num_samples = 1'000'000, .time_limit = std::chrono::milliseconds(300)}, run("b")).fit();
  EXPECT_EQ(timed.why_ended(), "the time limit of 0.3 s is over");
  EXPECT_THAT(
      message_of([&] { (void)tune::Tuner<line, naps>({.time_limit = std::chrono::milliseconds(0)}, run("c")).fit(); }),
      HasSubstr("TunerConfig::time_limit is not above 0"));
}

TEST_F(Search, SomeValuesAreTriedFirst) {
  const auto tuned = [&](std::vector<tune::Params> first, const std::string& name) {
    return tune::Tuner<line, itself>({.num_samples = 4, .max_concurrent_trials = 1, .try_first = std::move(first)},
                                     run(name))
        .fit();
  };
  const auto results = tuned({{{"x", 0.25}}, {}, {{"x", 1.0}}}, "first");
  EXPECT_EQ(results.trials()[0].params[0].number, 0.25);
  EXPECT_EQ(results.trials()[2].params[0].number, 1.0);
  const auto without = tuned({}, "without");
  for (const std::size_t i : {1, 3})
    EXPECT_EQ(results.trials()[i].params[0].number, without.trials()[i].params[0].number);
  EXPECT_THAT(message_of([&] { (void)tuned({{{"x", 1.5}}}, "a"); }), HasSubstr("is to try the value 1.5 for 'x'"));
  EXPECT_THAT(message_of([&] { (void)tuned({{{"y", 1}}}, "b"); }), HasSubstr("does not ask for; it asks for: x"));
}

}  // namespace
