// MANTA_LOG: what Manta says of itself, in whole programs (this one, with --program=NAME).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"

namespace {

using manta::e2e::ProgramRun;
using manta::e2e::run_program;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

int twice(int n) { return 2 * n; }
int dies_at_first() {
  if (manta::runtime_context().attempt > 1) return 1;
  ::kill(::getpid(), SIGKILL);
  return 0;
}
struct Mortal {
  int dies() { return ::kill(::getpid(), SIGKILL); }
  int lives() { return 1; }
  int rests() { return ::usleep(2'000); }
};

struct Waiter {
  int waits(manta::Actor<Mortal> other, int times) {
    for (int i = 0; i < times; ++i) (void)manta::get(other.call<&Mortal::rests>());
    return times;
  }
};
struct Ungrateful {
  ~Ungrateful() noexcept(false) { throw std::runtime_error("no"); }
  int lives() { return 1; }
};

void plain() { (void)manta::get(manta::remote<twice>(2)); }
void deaths() {
  (void)manta::get(manta::remote<dies_at_first>());
  auto mortal = manta::actor<Mortal>.options({.max_restarts = 1})();
  (void)manta::try_get(mortal.call<&Mortal::dies>());
  (void)manta::get(mortal.call<&Mortal::lives>());
}
void waits() {
  const auto mortal = manta::actor<Mortal>();
  const auto waiter = manta::actor<Waiter>();
  (void)manta::get(waiter.call<&Waiter::waits>(mortal, 50));
}
void throws() {
  auto actor = manta::actor<Ungrateful>();
  (void)manta::get(actor.call<&Ungrateful::lives>());
}
const std::map<std::string, std::function<void()>> programs{{"plain", plain}, {"deaths", deaths}, {"throws", throws}, {"waits", waits}};

std::string said(const std::string& program, const std::vector<std::string>& environment) {
  const ProgramRun run = run_program({"--program=" + program}, environment);
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, IsEmpty());
  return run.err;
}

TEST(Log, NothingUnlessAskedFor) {
  EXPECT_THAT(said("plain", {}), IsEmpty());
  EXPECT_THAT(said("deaths", {}), IsEmpty());
  EXPECT_THAT(said("plain", {"MANTA_LOG="}), IsEmpty());
}

TEST(Log, InfoTellsOfDeathsAndWhatFollows) {
  const std::string text = said("deaths", {"MANTA_LOG=info"});
  EXPECT_THAT(text, ContainsRegex("\\[manta [0-9:.]+ node [0-9]+ info\\] node 1 on .*: 2 CPUs"));
  EXPECT_THAT(text, ContainsRegex("node [0-9]+ info\\] worker process [0-9]+ was killed by signal 9"));
  EXPECT_THAT(text,
              ContainsRegex("driver [0-9]+ info\\] task .*dies_at_first is tried again \\(attempt 2\\): the worker"));
  EXPECT_THAT(
      text,
      ContainsRegex("driver [0-9]+ info\\] actor .*Mortal: its process was killed by .*; restart 1 of 1 begins now"));
  EXPECT_THAT(text, HasSubstr("info] node 1 ends"));
  EXPECT_THAT(text, Not(HasSubstr("debug]")));
}

TEST(Log, FinerLevelsTellMore) {
  EXPECT_THAT(said("plain", {"MANTA_LOG=debug"}), ContainsRegex("debug\\] worker process [0-9]+ is ready"));
  EXPECT_THAT(said("plain", {"MANTA_LOG=trace"}), ContainsRegex("trace\\] process [0-9]+ may run on worker process"));
}

// An actor that waits keeps its place: its maker asks for no other process.
TEST(Log, ShowsThatWaitingActorsNeedNoMoreProcesses) {
  const std::string text = said("waits", {"MANTA_LOG=debug"});
  int workers = 0;
  for (auto at = text.find("is ready"); at != std::string::npos; at = text.find("is ready", at + 1)) ++workers;
  EXPECT_LE(workers, 10) << text;
}

TEST(Log, ErrorsAreSilentOnlyWhenSwitchedOff) {
  const char* expected = "\\(Ungrateful pid=[0-9]+\\) \\[manta .* worker [0-9]+ error\\] the destructor of an actor threw: no\n";
  EXPECT_THAT(said("throws", {}), ContainsRegex(expected));
  EXPECT_THAT(said("throws", {"MANTA_LOG=off"}), IsEmpty());
}

TEST(Log, AnUnknownLevelIsRefused) {
  const ProgramRun run = run_program({"--program=plain"}, {"MANTA_LOG=loud"});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.err, "MANTA_LOG is \"loud\", but must be trace, debug, info, warn, error or off\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strncmp(argv[1], "--program=", 10) == 0) {
    try {
      auto runtime = manta::init(argc, argv, {.num_cpus = 2, .num_gpus = 0});
      programs.at(argv[1] + 10)();
    } catch (const manta::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
