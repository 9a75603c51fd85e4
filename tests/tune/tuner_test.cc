// Tuner with real worker processes: what it runs, where, and what it leaves.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include <manta/manta.h>
#include <manta/tune.h>

#include "tests/e2e/outside.h"
#include "tests/support/folder.h"
#include "tests/support/message.h"
#include "tune/tuner/progress.h"

namespace {

namespace tune = manta::tune;
namespace fs = std::filesystem;
using manta::e2e::await_cell;
using manta::e2e::Gauge;
using manta::e2e::outside;
using ::testing::HasSubstr;

struct Config {
  double x = 0;
};
Config line(tune::Space& space) { return {space.uniform("x", 0, 1)}; }

class Tuner : public FolderTest {
 protected:
  Tuner() { outside().clear(); }
  tune::RunConfig run(std::string name = "study") const {
    return {.name = std::move(name), .storage_path = folder_, .verbose = false};
  }
};

double square(tune::Trial&, const Config& config) { return (config.x - 0.3) * (config.x - 0.3); }

TEST_F(Tuner, FindsTheBestOfItsTrials) {
  const auto results = tune::Tuner<line, square>({.metric = "loss", .num_samples = 200}, run()).fit();
  ASSERT_EQ(results.trials().size(), 200U);
  double best = INFINITY;
  for (std::size_t i = 0; i < results.trials().size(); ++i) {
    const auto& trial = results.trials()[i];
    EXPECT_EQ(trial.number, static_cast<std::int64_t>(i));
    EXPECT_EQ(trial.status, tune::TrialStatus::complete);
    EXPECT_EQ(trial.config.x, trial.params.at(0).number);
    EXPECT_EQ(trial.value, (trial.config.x - 0.3) * (trial.config.x - 0.3));
    EXPECT_EQ(trial.metrics.at("loss"), *trial.value);
    EXPECT_FALSE(fs::exists(trial.folder)) << "a trial that reports nothing needs no folder";
    best = std::min(best, *trial.value);
  }
  EXPECT_EQ(results.best().value, best);
  EXPECT_LT(std::abs(results.best().config.x - 0.3), 0.05);
  EXPECT_FALSE(results.interrupted());
  EXPECT_EQ(results.folder(), folder_ / "study");
  EXPECT_THAT(results.summary(), HasSubstr("study study: 200 of 200 trials: 200 complete; "));
  EXPECT_THAT(results.summary(), HasSubstr("best: loss "));
}

TEST_F(Tuner, LabelsItsWorkersAsTheObjective) {
  using Worker = tune::detail::ObjectiveWorker<square, Config, manta::ThisFile>;
  EXPECT_EQ(manta::detail::class_label<Worker>(), "square");
  EXPECT_EQ((manta::detail::method_label<Worker, &Worker::run, manta::ThisFile>()), "square");
}

TEST_F(Tuner, ModeMaxAndAnyWorkersGiveTheSameTrials) {
  const auto values = [&](int workers, const char* name) {
    const auto results =
        tune::Tuner<line, square>(
            {.mode = tune::Mode::max, .num_samples = 50, .max_concurrent_trials = workers, .seed = 3}, run(name))
            .fit();
    std::vector<double> xs;
    double best = 0;
    for (const auto& trial : results.trials()) {
      xs.push_back(trial.config.x);
      best = std::max(best, *trial.value);
    }
    EXPECT_EQ(*results.best().value, best);
    return xs;
  };
  EXPECT_EQ(values(1, "one"), values(3, "three"));
}

TEST_F(Tuner, StudiesWithoutANameHaveFoldersOfTheirOwn) {
  tune::RunConfig unnamed = run("");
  std::set<fs::path> folders;
  for (int i = 0; i < 3; ++i) folders.insert(tune::Tuner<line, square>({}, unnamed).fit().folder());
  EXPECT_EQ(folders.size(), 3U);
  for (const fs::path& folder : folders) EXPECT_THAT(folder.filename().string(), ::testing::StartsWith("tune_2"));
}

// --- arguments, and what an objective returns

struct Table {
  std::vector<double> numbers;
};

tune::Metrics with_arguments(tune::Trial&, const Config&, const Table& table, const std::string& text,
                             manta::Ref<int> ref) {
  return {{"sum", table.numbers.at(0) + table.numbers.at(1)},
          {"length", static_cast<double>(text.size())},
          {"got", manta::get(ref)},
          {"process", getpid()}};
}

TEST_F(Tuner, GivesItsArgumentsToEachWorkerOnce) {
  const auto table = manta::put(Table{{1, 2}});
  const auto results =
      tune::Tuner<line, with_arguments>({.metric = "sum", .num_samples = 30, .max_concurrent_trials = 2}, run())
          .fit(table, "text", manta::put(7));
  std::set<double> processes;
  for (const auto& trial : results.trials()) {
    EXPECT_EQ(trial.value, 3);
    EXPECT_EQ(trial.metrics.at("length"), 4);
    EXPECT_EQ(trial.metrics.at("got"), 7);
    processes.insert(trial.metrics.at("process"));
  }
  EXPECT_LE(processes.size(), 2U) << "workers are reused";
  EXPECT_FALSE(processes.contains(getpid()));
}

void only_reports(tune::Trial& trial, const Config& config) {
  for (int i = 1; i <= 3; ++i) trial.report({{"loss", config.x * i}, {"i", static_cast<double>(i)}});
}

TEST_F(Tuner, OfAnObjectiveThatReturnsNothingTheLastReportCounts) {
  const auto results = tune::Tuner<line, only_reports>({.metric = "loss", .num_samples = 8}, run()).fit();
  for (const auto& trial : results.trials()) {
    EXPECT_EQ(trial.value, trial.config.x * 3);
    EXPECT_EQ(trial.metrics.at("i"), 3);
    ASSERT_EQ(trial.reports.size(), 3U);
    EXPECT_EQ(trial.reports[1].iteration, 2);
    EXPECT_EQ(trial.reports[1].value, trial.config.x * 2);
    for (const char* file : {"params.json", "result.json", "progress.csv"})
      EXPECT_TRUE(fs::exists(trial.folder / file));
    std::ifstream log(trial.folder / "result.json");
    int lines = 0;
    for (std::string text; std::getline(log, text); ++lines)
      EXPECT_THAT(text, HasSubstr("\"training_iteration\": " + std::to_string(lines + 1)));
    EXPECT_EQ(lines, 3);
  }
}

void says_nothing(tune::Trial&, const Config&) {}

TEST_F(Tuner, ATrialWithoutTheMetricHasFailed) {
  const auto results = tune::Tuner<line, says_nothing>({.metric = "loss"}, run()).fit();
  EXPECT_EQ(results.trials()[0].status, tune::TrialStatus::failed);
  EXPECT_THAT(results.trials()[0].error, HasSubstr("neither returned nor reported 'loss'"));
  EXPECT_THAT(message_of([&] { (void)results.best(); }),
              HasSubstr("no best trial: trial 0 failed: the objective neither"));
}

// --- grids

struct Point {
  int a = 0;
  std::string b;
  double c = 0;
};
Point grids(tune::Space& space) {
  Point point;
  point.a = space.grid("a", {1, 2, 3});
  if (point.a > 1) point.b = space.grid("b", {"x", "y"});
  point.c = space.uniform("c", 0, 1);
  return point;
}
double sum(tune::Trial&, const Point& point) { return point.a + point.c; }

TEST_F(Tuner, RunsAllOfAGridForEachSample) {
  const auto results = tune::Tuner<grids, sum>({.num_samples = 2}, run()).fit();
  std::multiset<std::string> made;
  std::set<double> drawn;
  for (const auto& trial : results.trials()) {
    made.insert(std::to_string(trial.config.a) + trial.config.b);
    drawn.insert(trial.config.c);
  }
  EXPECT_EQ(made, (std::multiset<std::string>{"1", "1", "2x", "2x", "2y", "2y", "3x", "3x", "3y", "3y"}));
  EXPECT_EQ(drawn.size(), 10U);
}

// --- resources

double counted(tune::Trial&, const Config&, int together) {
  const Gauge gauge(0);
  if (!await_cell(1, together)) throw std::runtime_error("alone");  // the gauge's highest
  return 1;
}

TEST_F(Tuner, RunsAsManyTrialsAtOnceAsTheResourcesAllow) {
  const auto highest = [&](const tune::TunerConfig& config, int together, const char* name) {
    outside().clear();
    const auto results = tune::Tuner<line, counted>(config, run(name)).fit(together);
    for (const auto& trial : results.trials()) EXPECT_EQ(trial.error, "");
    return Gauge::highest(0);
  };
  EXPECT_EQ(highest({.num_samples = 3}, 3, "cpus"), 3);
  EXPECT_EQ(highest({.num_samples = 4, .cpus_per_trial = 1.5}, 2, "one and a half"), 2);
  EXPECT_EQ(highest({.num_samples = 4, .max_concurrent_trials = 2}, 2, "bounded"), 2);
  EXPECT_EQ(highest({.num_samples = 4, .cpus_per_trial = 0.5, .gpus_per_trial = 0.5}, 2, "half a GPU"), 2);
  EXPECT_EQ(highest({.num_samples = 2, .gpus_per_trial = 1}, 1, "a GPU"), 1);
  EXPECT_EQ(highest({.num_samples = 3, .cpus_per_trial = 0}, 3, "none"), 3);
}

double which_gpu(tune::Trial&, const Config&) {
  const auto context = manta::runtime_context();
  return static_cast<double>(context.gpus.size()) + 10 * context.num_cpus;
}

TEST_F(Tuner, TrialsHaveTheirGpusAndCpus) {
  const auto results = tune::Tuner<line, which_gpu>({.cpus_per_trial = 2, .gpus_per_trial = 0.25}, run()).fit();
  EXPECT_EQ(results.best().value, 21);
}

TEST_F(Tuner, RefusesWhatCannotWork) {
  const auto message = [&](const tune::TunerConfig& config, tune::RunConfig where) {
    return message_of([&] { (void)tune::Tuner<line, square>(config, std::move(where)).fit(); });
  };
  EXPECT_THAT(message({.cpus_per_trial = 4}, run()), HasSubstr("a trial needs 4 CPUs and 0 GPUs, which no node has"));
  EXPECT_THAT(message({.gpus_per_trial = 2}, run("b")), HasSubstr("offers 3 CPUs and 1 GPUs"));
  EXPECT_THAT(message({.metric = ""}, run()), HasSubstr("TunerConfig::metric is empty"));
  EXPECT_THAT(message({.num_samples = 0}, run()), HasSubstr("num_samples is 0"));
  EXPECT_THAT(message({.cpus_per_trial = -1}, run()), HasSubstr("cpus_per_trial is -1"));
  EXPECT_THAT(message({.gpus_per_trial = NAN}, run()), HasSubstr("gpus_per_trial is nan"));
  EXPECT_THAT(message({.max_concurrent_trials = -2}, run()), HasSubstr("max_concurrent_trials is -2"));
  tune::RunConfig forever = run();
  forever.max_failures = -3;
  EXPECT_THAT(message({}, forever), HasSubstr("max_failures is -3"));
  tune::RunConfig nowhere = run();
  nowhere.storage_path = "/proc/nowhere";
  EXPECT_THAT(message({}, nowhere), HasSubstr("/proc/nowhere/study: cannot be made"));
}

Config bad_space(tune::Space& space) { return {space.uniform("x", 1, 0)}; }

TEST_F(Tuner, WhatTheSpaceThrowsArrives) {
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<bad_space, square>({}, run()).fit(); }),
              HasSubstr("'x': the range [1, 0] is empty"));
}

struct Needy {
  int number = 0;
  template <class Archive>
  void save(Archive& archive) const {
    archive(number);
  }
  template <class Archive>
  void load(Archive&) {
    throw std::runtime_error("cannot be read here");
  }
};
double takes_needy(tune::Trial&, const Config&, const Needy&) { return 0; }

TEST_F(Tuner, ArgumentsThatCannotBeReadEndIt) {
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<line, takes_needy>({}, run()).fit(Needy{}); }),
              HasSubstr("Tuner: a worker could not be started"));
}

// --- schedulers and searchers

double curve(tune::Trial& trial, const Config& config) {
  double loss = 0;
  for (int epoch = 1; epoch <= 20; ++epoch) {
    loss = config.x + (1 - config.x) / epoch;
    try {
      trial.report({{"loss", loss}});
    } catch (const std::exception&) {  // does not hold up a trial that is to end
    }
  }
  return loss;
}

TEST_F(Tuner, AshaStopsWhatPromisesLittle) {
  const auto asha = std::make_shared<tune::Asha>(tune::AshaOptions{.max_t = 20});
  const auto results = tune::Tuner<line, curve>({.metric = "loss", .num_samples = 40, .scheduler = asha}, run()).fit();
  int complete = 0, stopped = 0;
  std::size_t epochs = 0;
  for (const auto& trial : results.trials()) {
    epochs += trial.reports.size();
    complete += trial.status == tune::TrialStatus::complete ? 1 : 0;
    stopped += trial.status == tune::TrialStatus::stopped ? 1 : 0;
    EXPECT_TRUE(trial.reports.size() == 1 || trial.reports.size() == 4 || trial.reports.size() == 16 ||
                trial.reports.size() == 20)
        << trial.reports.size();
    EXPECT_EQ(*trial.value, trial.reports.back().value);
  }
  EXPECT_EQ(complete + stopped, 40);
  EXPECT_GE(complete, 1);
  EXPECT_GE(stopped, 20);
  EXPECT_LT(epochs, 40U * 20 / 2);
  EXPECT_EQ(results.best().status, tune::TrialStatus::complete);
}

void stubborn(tune::Trial& trial, const Config&) {
  for (int i = 0; i < 5; ++i) {
    try {
      trial.report({{"loss", 1.0 * i}});
    } catch (...) {
    }
  }
}
struct StopsAtTwo : tune::Scheduler {
  tune::Decision on_report(const tune::TrialRecord&, std::int64_t iteration, double score) override {
    scores.push_back(score);
    return iteration == 2 ? tune::Decision::stop : tune::Decision::go_on;
  }
  void on_end(const tune::TrialRecord& trial) override { ended.push_back(trial.status); }
  std::vector<double> scores;
  std::vector<tune::TrialStatus> ended;
};

TEST_F(Tuner, ATrialThatCatchesEverythingIsStoppedAllTheSame) {
  const auto scheduler = std::make_shared<StopsAtTwo>();
  const auto results = tune::Tuner<line, stubborn>({.metric = "loss", .scheduler = scheduler}, run()).fit();
  EXPECT_EQ(results.trials()[0].status, tune::TrialStatus::stopped);
  EXPECT_EQ(results.trials()[0].reports.size(), 2U);
  EXPECT_EQ(scheduler->scores, (std::vector<double>{-0.0, -1}));  // min: more is better
  EXPECT_EQ(scheduler->ended, std::vector{tune::TrialStatus::stopped});
  EXPECT_EQ(results.best().number, 0) << "none is complete";
}

void sparse(tune::Trial& trial, const Config&) {
  for (int i = 1; i <= 3; ++i) {
    trial.report({{"other", 1.0 * i}});
    trial.report({{"loss", 1.0 * i}});
  }
  trial.report({{"other", 9}, {"loss", 9}});
  trial.report({{"last", 1}, {"loss", 10}});
}

TEST_F(Tuner, ReportsWithoutTheMetricAskForNoDecision) {
  const auto scheduler = std::make_shared<StopsAtTwo>();
  const auto results = tune::Tuner<line, sparse>({.metric = "loss", .scheduler = scheduler}, run()).fit();
  EXPECT_EQ(results.trials()[0].status, tune::TrialStatus::stopped);
  EXPECT_EQ(scheduler->scores, std::vector<double>{-1});
}

// Halves what was best so far.
struct Halving : tune::Searcher {
  void begin(const tune::History& history, const tune::TrialRecord& trial) override {
    EXPECT_EQ(trial.number, static_cast<std::int64_t>(history.trials.size()));
    EXPECT_EQ(history.mode, tune::Mode::min);
    for (const tune::TrialRecord& each : history.trials) best = std::min(best, each.params.at(0).number);
  }
  double suggest(const tune::TrialRecord&, std::string_view name, const tune::Distribution& distribution) override {
    EXPECT_EQ(name, "x");
    EXPECT_EQ(distribution.high, 1);
    return best / 2;
  }
  double best = 1;
};
double itself(tune::Trial&, const Config& config) { return config.x; }

TEST_F(Tuner, ASearcherLearnsFromEachTrial) {
  const auto results =
      tune::Tuner<line, itself>(
          {.num_samples = 10, .max_concurrent_trials = 1, .searcher = std::make_shared<Halving>()}, run())
          .fit();
  EXPECT_EQ(*results.best().value, std::pow(0.5, 10));
}

// --- batches

double long_after_short(tune::Trial& trial, const Config&, int others) {
  if (trial.number() == 40) {
    // Goes on only when all others have ended: those that were handed out with it must run elsewhere.
    if (!await_cell(0, others)) throw std::runtime_error("held up others");
  } else {
    ++outside()[0];
  }
  return 0;
}

TEST_F(Tuner, ALongTrialHoldsUpNoOthers) {
  const auto results = tune::Tuner<line, long_after_short>({.num_samples = 200}, run()).fit(199);
  for (const auto& trial : results.trials()) EXPECT_EQ(trial.error, "");
  EXPECT_EQ(outside()[0], 199);
}

// --- while it runs

double reports_and_waits(tune::Trial& trial, const Config&) {
  trial.report({{"value", 0.5}});
  return await_cell(0, 1) ? 1 : -1;
}

TEST_F(Tuner, ReportsOfALongTrialArriveBeforeItsEnd) {
  std::thread reader([&] {
    const fs::path journal = folder_ / "study" / "study.journal";
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (read(journal).find("\"intermediate_value\":0.5") == std::string::npos &&
           std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    ++outside()[0];
  });
  const auto results = tune::Tuner<line, reports_and_waits>({}, run()).fit();
  reader.join();
  EXPECT_EQ(results.best().value, 1);
  EXPECT_EQ(results.best().reports.size(), 1U);
}

TEST(Progress, IsALineEveryFiveSecondsWhereThereIsNoTerminal) {
  using tune::detail::Progress;
  std::FILE* out = std::tmpfile();
  Progress::Clock::time_point now{};
  Progress progress(out, true, now);
  for (int i = 0; i < 120; ++i, now += std::chrono::milliseconds(100)) {
    if (progress.due(now)) progress.show({"after " + std::to_string(i), "a trial"}, now);
  }
  progress.finish("the end\n");
  Progress quiet(out, false, now);
  EXPECT_FALSE(quiet.due(now + std::chrono::hours(1)));
  quiet.finish("not shown");
  std::string text(static_cast<std::size_t>(std::ftell(out)), '\0');
  std::rewind(out);
  text.resize(std::fread(text.data(), 1, text.size(), out));
  std::fclose(out);
  EXPECT_EQ(text, "after 50\nafter 100\nthe end\n");
}

}  // namespace
