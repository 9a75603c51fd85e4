// Failures of trials, and of the processes that run them.
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include <gmock/gmock.h>

#include <manta/manta.h>
#include <manta/tune.h>

#include "tests/e2e/outside.h"
#include "tests/support/folder.h"
#include "tests/support/message.h"
#include "tests/tune/study_program.h"

namespace {

namespace tune = manta::tune;
namespace fs = std::filesystem;
using manta::e2e::await_cell;
using manta::e2e::outside;
using ::testing::HasSubstr;

struct Config {
  double x = 0;
};
Config line(tune::Space& space) { return {space.uniform("x", 0, 1)}; }

class Failures : public FolderTest {
 protected:
  Failures() { outside().clear(); }
  tune::RunConfig run(std::string name = "study") const {
    return {.name = std::move(name), .storage_path = folder_, .verbose = false};
  }
};

double throws_often(tune::Trial& trial, const Config& config, int until_attempt) {
  if (trial.number() % 5 == 3 && trial.attempt() < until_attempt) throw std::domain_error("a bad x");
  if (trial.number() % 5 == 4 && trial.attempt() < until_attempt) throw 5;
  return config.x;
}

TEST_F(Failures, ATrialThatThrowsHasFailedAndTheOthersGoOn) {
  const auto results = tune::Tuner<line, throws_often>({.num_samples = 50}, run()).fit(99);
  for (const auto& trial : results.trials()) {
    const bool throws = trial.number % 5 >= 3;
    EXPECT_EQ(trial.status, throws ? tune::TrialStatus::failed : tune::TrialStatus::complete);
    EXPECT_EQ(trial.attempts, 1);
    EXPECT_EQ(trial.error, !throws ? "" : trial.number % 5 == 3 ? "std::domain_error: a bad x" : "int: 5");
  }
  EXPECT_EQ(results.best().status, tune::TrialStatus::complete);
  EXPECT_THAT(results.summary(), HasSubstr("30 complete, 20 failed"));
}

TEST_F(Failures, ExceptionsAreTriedAgainIfAskedFor) {
  tune::RunConfig config = run();
  config.retry_exceptions = true;
  config.max_failures = 2;
  auto results = tune::Tuner<line, throws_often>({.num_samples = 10}, config).fit(3);
  for (const auto& trial : results.trials()) {
    EXPECT_EQ(trial.status, tune::TrialStatus::complete);
    EXPECT_EQ(trial.attempts, trial.number % 5 >= 3 ? 3 : 1);
  }
  config.name = "too often";
  results = tune::Tuner<line, throws_often>({.num_samples = 5}, config).fit(4);
  EXPECT_EQ(results.trials()[3].status, tune::TrialStatus::failed);
  EXPECT_EQ(results.trials()[3].attempts, 3);
}

double fails_at_seven(tune::Trial& trial, const Config&) {
  if (trial.number() == 7) throw std::runtime_error("seven");
  return 0;
}

TEST_F(Failures, FailFastEndsTheStudy) {
  tune::RunConfig config = run();
  config.fail_fast = true;
  const auto results =
      tune::Tuner<line, fails_at_seven>({.num_samples = 1'000'000, .max_concurrent_trials = 1}, config).fit();
  EXPECT_EQ(results.trials().at(7).error, "std::runtime_error: seven");
  EXPECT_LT(results.trials().size(), 1000U);
  EXPECT_FALSE(results.interrupted());
}

// Dies in the first attempts, one trial in the midst of short ones.
double dies(tune::Trial& trial, const Config& config, int attempts) {
  if (trial.number() == 60 && trial.attempt() <= attempts) ::raise(SIGKILL);
  return config.x;
}

TEST_F(Failures, ATrialWhoseProcessDiesIsTriedAgain) {
  const auto results = tune::Tuner<line, dies>({.num_samples = 120}, run()).fit(2);
  for (const auto& trial : results.trials()) {
    EXPECT_EQ(trial.status, tune::TrialStatus::complete) << trial.number << ": " << trial.error;
    EXPECT_EQ(trial.value, trial.config.x);
  }
  EXPECT_EQ(results.trials()[60].attempts, 3);
}

TEST_F(Failures, TooManyDeathsAreTheTrialsFailureAndNoOthers) {
  tune::RunConfig config = run();
  config.max_failures = 1;
  const auto results = tune::Tuner<line, dies>({.num_samples = 120}, config).fit(1000);
  for (const auto& trial : results.trials()) {
    EXPECT_EQ(trial.status, trial.number == 60 ? tune::TrialStatus::failed : tune::TrialStatus::complete)
        << trial.error;
  }
  EXPECT_THAT(results.trials()[60].error, HasSubstr("its process died 2 times, the last time: "));
}

struct Deadly {
  int number = 0;
  template <class Archive>
  void save(Archive& archive) const {
    archive(number);
  }
  template <class Archive>
  void load(Archive&) {
    ::raise(SIGKILL);
  }
};
double takes_deadly(tune::Trial&, const Config&, const Deadly&) { return 0; }

TEST_F(Failures, WorkersThatCannotLiveEndIt) {
  EXPECT_THAT(
      message_of([&] { (void)tune::Tuner<line, takes_deadly>({.max_concurrent_trials = 1}, run()).fit(Deadly{}); }),
      HasSubstr("3 workers died one after the other before they could run a trial"));
}

// Its folder outlives the death; a trial that goes on from its own state reports what comes next.
double goes_on(tune::Trial& trial, const Config&) {
  const fs::path state = trial.folder() / "state";
  int step = 0;
  std::ifstream(state) >> step;
  while (step < 6) {
    ++step;
    trial.report({{"training_iteration", static_cast<double>(step)},
                  {"loss", 10.0 - step},
                  {"process", static_cast<double>(getpid())}});
    std::ofstream(state) << step;
    if (step == 4 && trial.attempt() == 1) ::raise(SIGKILL);
  }
  return 10 - step;
}

double from_the_start(tune::Trial& trial, const Config&) {
  for (int step = 1; step <= 6; ++step) {
    trial.report({{"loss", 10.0 - step}});
    if (step == 4 && trial.attempt() == 1) ::raise(SIGKILL);
  }
  return 4;
}

template <class Results>
void expect_six_reports(const Results& results) {
  const auto& trial = results.trials().at(0);
  EXPECT_EQ(trial.status, tune::TrialStatus::complete) << trial.error;
  EXPECT_EQ(trial.attempts, 2);
  std::ifstream log(trial.folder / "result.json");
  int lines = 0;
  for (std::string text; std::getline(log, text); ++lines) {
    EXPECT_THAT(text, HasSubstr("\"training_iteration\": " + std::to_string(lines + 1) + "}"));
  }
  EXPECT_EQ(lines, 6);
  std::ifstream table(trial.folder / "progress.csv");
  lines = 0;
  for (std::string text; std::getline(table, text);) ++lines;
  EXPECT_EQ(lines, 7);
}

TEST_F(Failures, ATrialCanGoOnFromItsOwnFolder) {
  expect_six_reports(tune::Tuner<line, goes_on>({.metric = "loss"}, run()).fit());
}

TEST_F(Failures, OneThatBeginsAnewReportsAnew) {
  const auto results = tune::Tuner<line, from_the_start>({.metric = "loss"}, run()).fit();
  expect_six_reports(results);
  EXPECT_EQ(results.trials()[0].reports.size(), 6U);
}

TEST_F(Failures, OneThatIsLookedAtByASchedulerToo) {
  const auto results = tune::Tuner<line, from_the_start>(
                           {.metric = "loss", .scheduler = std::make_shared<tune::MedianStopping>()}, run())
                           .fit();
  expect_six_reports(results);
}

// --- the whole program

TEST_F(Failures, AStudyIsNotBegunTwice) {
  (void)tune::Tuner<line, dies>({.num_samples = 3}, run()).fit(0);
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<line, dies>({.num_samples = 3}, run()).fit(0); }),
              HasSubstr("holds a study of 3 trials. Next: set RunConfig::resume"));
  tune::RunConfig config = run();
  config.resume = true;
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<line, dies>({.mode = tune::Mode::max}, config).fit(0); }),
              HasSubstr("has min of 'value' for its aim"));
  const auto more = tune::Tuner<line, dies>({.num_samples = 5}, config).fit(0);
  ASSERT_EQ(more.trials().size(), 5U);
  const auto at_once = tune::Tuner<line, dies>({.num_samples = 5}, run("at once")).fit(0);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(more.trials()[i].config.x, at_once.trials()[i].config.x);
}

// kill -9 at any moment of a run's whole length, again and again; then the study is as if nothing had happened.
TEST_F(Failures, KilledProgramsLeaveAStudyThatResumes) {
  const fs::path undisturbed = folder_ / "undisturbed", disturbed = folder_ / "disturbed";
  fs::create_directories(undisturbed);
  fs::create_directories(disturbed);
  EXPECT_EQ(StudyProgram({undisturbed.string(), "40"}).wait(), 0);
  const auto expected = found(undisturbed / "study");
  ASSERT_EQ(expected.size(), 160U);
  const fs::path journal = disturbed / "study" / "study.journal";
  std::mt19937 random(std::random_device{}());
  const auto whole = fs::file_size(undisturbed / "study" / "study.journal");
  int kills = 0;
  for (int round = 0; round < 8; ++round) {
    StudyProgram program({disturbed.string(), "40"});
    const std::uintmax_t from = fs::exists(journal) ? fs::file_size(journal) : 0;
    const std::uintmax_t end = std::min(from + random() % (whole / 6 + 1), whole - 1);
    std::error_code none_yet;
    for (std::uintmax_t size = 0; program.running(); size = fs::file_size(journal, none_yet)) {
      if (!none_yet && size > end) break;
      sched_yield();
    }
    kills += program.running() ? 1 : 0;
    ::kill(program.process(), SIGKILL);
    (void)program.wait();
  }
  EXPECT_GE(kills, 4);
  std::string out;
  EXPECT_EQ(StudyProgram({disturbed.string(), "40"}).wait(&out), 0);
  EXPECT_EQ(found(disturbed / "study"), expected);
  EXPECT_THAT(out, HasSubstr("interrupted: 0, trials: 160\n"));
  EXPECT_THAT(out, ::testing::Not(HasSubstr("another configuration")));
}

TEST_F(Failures, ASignalEndsAStudyWell) {
  for (const int signal : {SIGINT, SIGTERM}) {
    outside().clear();
    const fs::path storage = folder_ / std::to_string(signal);
    StudyProgram program({storage.string(), "20", "wait"});
    ASSERT_TRUE(await_cell(0, 3));  // three trials run, and wait
    ::kill(program.process(), signal);
    std::string out;
    EXPECT_EQ(program.wait(&out), 0);
    EXPECT_THAT(out, HasSubstr("interrupted: run it again with RunConfig::resume"));
    EXPECT_THAT(out, HasSubstr("interrupted: 1, trials: "));
    EXPECT_EQ(found(storage / "study").size(), 2U);
    EXPECT_EQ(StudyProgram({storage.string(), "20"}).wait(&out), 0);
    EXPECT_EQ(found(storage / "study").size(), 80U);
  }
}

TEST_F(Failures, ASecondSignalEndsTheProgramAtOnce) {
  StudyProgram program({folder_.string(), "20", "wait"});
  ASSERT_TRUE(await_cell(0, 3));
  ::kill(program.process(), SIGSTOP);  // so that both are there before anything is done about the first
  ::kill(program.process(), SIGINT);
  ::kill(program.process(), SIGTERM);
  ::kill(program.process(), SIGCONT);
  EXPECT_LT(program.wait(), 0);
  std::string out;
  EXPECT_EQ(StudyProgram({folder_.string(), "20"}).wait(&out), 0);
  EXPECT_EQ(found(folder_ / "study").size(), 80U);
}

TEST_F(Failures, AStudyThatIsRunningIsNotRunTwice) {
  StudyProgram program({folder_.string(), "20", "wait"});
  ASSERT_TRUE(await_cell(0, 3));
  tune::RunConfig config = run();
  config.resume = true;
  EXPECT_THAT(message_of([&] { (void)tune::Tuner<line, dies>({}, config).fit(0); }),
              HasSubstr("is being run by another program"));
}

}  // namespace
