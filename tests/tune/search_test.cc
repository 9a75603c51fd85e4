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

// A loss that falls with the iterations, the faster the nearer x is to 0.3.
double falls(tune::Trial& trial, const Config& config) {
  double loss = 0;
  for (int iteration = 1; iteration <= 27; ++iteration) {
    loss = std::abs(config.x - 0.3) + 1.0 / iteration;
    trial.report({{"loss", loss}});
  }
  return loss;
}

// BOHB: each bracket stops its own trials and learns from them; also where the study is interrupted.
TEST_F(Search, HyperBandWithASearcherForEachBracket) {
  for (const std::int64_t samples : {30, 80}) {
    const auto scheduler = std::make_shared<tune::HyperBand>(tune::HyperBandOptions{.max_t = 27});
    const auto searcher = std::make_shared<tune::BracketSearcher>(scheduler, [](int bracket) {
      return std::make_shared<tune::TpeSearcher>(tune::TpeOptions{.seed = static_cast<std::uint64_t>(bracket)});
    });
    tune::RunConfig run = this->run();
    run.resume = true;
    const auto results =
        tune::Tuner<line, falls>(
            {.metric = "loss", .num_samples = samples, .searcher = searcher, .scheduler = scheduler}, run)
            .fit();
    ASSERT_EQ(results.trials().size(), static_cast<std::size_t>(samples));
    std::vector<int> stopped(4), complete(4);
    for (const auto& trial : results.trials()) {
      const auto bracket = static_cast<std::size_t>(scheduler->bracket_of(trial.number));
      ++(trial.status == tune::TrialStatus::stopped ? stopped : complete)[bracket];
      EXPECT_TRUE(trial.error.empty()) << trial.error;
    }
    EXPECT_GT(stopped[0], complete[0]);
    EXPECT_GT(complete[0], 0);
    if (samples < 80) continue;
    EXPECT_NEAR(results.best().config.x, 0.3, 0.05);
  }
}

// --- several objectives, constraints

struct Square {
  double x = 0, y = 0;
};
Square square(tune::Space& space) {
  const double x = space.uniform("x", 0, 1);
  return {x, space.uniform("y", 0, 1)};
}
tune::Metrics both(tune::Trial& trial, const Square& config) {
  trial.constrain("corner", 0.3 - config.x - config.y);
  trial.constrain("far", config.x - 0.9);
  return {{"near", config.x * config.x + config.y}, {"wide", config.x - config.y}, {"by", 1}};
}
const std::vector<tune::Objective> kBoth{{"near", tune::Mode::min}, {"wide", tune::Mode::max}};

// As by ask and tell, also where the study is interrupted.
TEST_F(Search, SeveralObjectives) {
  const auto searcher = [] { return std::make_shared<tune::NsgaIISearcher>(tune::NsgaIIOptions{.population = 10}); };
  tune::AskTell<square> asked({.modes = {tune::Mode::min, tune::Mode::max}, .searcher = searcher()});
  for (int i = 0; i < 50; ++i) {
    const auto trial = asked.ask();
    const auto [x, y] = trial.config;
    asked.tell(trial.number, {x * x + y, x - y}, {{"corner", 0.3 - x - y}, {"far", x - 0.9}});
  }
  for (const std::int64_t samples : {23, 50}) {
    tune::RunConfig run = this->run();
    run.resume = true;
    const auto results =
        tune::Tuner<square, both>(
            {.objectives = kBoth, .num_samples = samples, .max_concurrent_trials = 1, .searcher = searcher()}, run)
            .fit();
    ASSERT_EQ(results.trials().size(), static_cast<std::size_t>(samples));
    for (std::size_t i = 0; i < results.trials().size(); ++i) {
      EXPECT_EQ(results.trials()[i].config.x, asked.trials()[i].params[0].number) << i;
      EXPECT_EQ(results.trials()[i].values, asked.trials()[i].values) << i;
      EXPECT_EQ(results.trials()[i].constraints, asked.trials()[i].constraints) << i;
    }
    EXPECT_THAT(message_of([&] { (void)results.best(); }), HasSubstr("several objectives"));
    if (samples < 50) continue;
    std::vector<std::size_t> front;
    std::vector<std::vector<double>> points;
    for (const auto* trial : results.pareto_front()) {
      front.push_back(static_cast<std::size_t>(trial->number));
      points.push_back(trial->values);
      EXPECT_LE(trial->config.x, 0.9);
    }
    EXPECT_EQ(front, asked.pareto_front());
    const std::vector<tune::Mode> modes{tune::Mode::min, tune::Mode::max};
    EXPECT_DOUBLE_EQ(results.hypervolume({2, -1}), tune::hypervolume(points, {2, -1}, modes));
    EXPECT_THAT(results.summary(), HasSubstr("pareto front: " + std::to_string(front.size()) + " trial"));
  }
  tune::RunConfig run = this->run();
  run.resume = true;
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<square, both>({.metric = "near"}, run).fit(); }),
              HasSubstr("has min of 'near', max of 'wide' for its aim"));
}

double constrained(tune::Trial& trial, const Config& config) {
  trial.constrain("x", 0.5 - config.x);
  return config.x;
}
double unnamed(tune::Trial& trial, const Config& config) {
  trial.constrain("", 1);
  return config.x;
}
tune::Metrics only_one(tune::Trial&, const Config& config) { return {{"near", config.x}}; }

TEST_F(Search, ConstraintsAreKeptByTheBest) {
  const auto results = tune::Tuner<line, constrained>({.num_samples = 50}, run()).fit();
  EXPECT_GE(results.best().config.x, 0.5);
  EXPECT_LT(results.best().config.x, 0.65);
  const auto failed = tune::Tuner<line, unnamed>({.num_samples = 1}, run("unnamed")).fit();
  EXPECT_THAT(failed.trials()[0].error, HasSubstr("the constraint '' has no name"));
}

TEST_F(Search, AnObjectiveThatIsMissingFailsTheTrial) {
  const auto results = tune::Tuner<line, only_one>({.objectives = kBoth, .num_samples = 2}, run()).fit();
  EXPECT_THAT(results.trials()[1].error, HasSubstr("nor reported 'wide', which is one of TunerConfig::objectives"));
  EXPECT_TRUE(results.pareto_front().empty());
  const auto refused = [&](tune::TunerConfig config) {
    return message_of([&] { (void)tune::Tuner<line, only_one>(config, run("refused")).fit(); });
  };
  EXPECT_THAT(refused({.objectives = {{"a"}, {"a"}}}), HasSubstr("'a' twice"));
  EXPECT_THAT(refused({.objectives = {{""}}}), HasSubstr("has no metric"));
  EXPECT_THAT(refused({.objectives = kBoth, .patience = 3}), HasSubstr("are for one objective"));
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
