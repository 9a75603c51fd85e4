// MANTA_LOG: what Manta says of itself, in whole programs (this one, with --program=NAME).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

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
struct Idler {
  int process() const { return ::getpid(); }
  int node() const { return ::getppid(); }
};
// CPU time of another process.
double seconds_of(int process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  std::getline(file, stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::vector<std::string> all{std::istream_iterator<std::string>(fields), {}};
  return (std::stod(all.at(11)) + std::stod(all.at(12))) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}
// Tells on stderr when all actors live, and when the last one's process is gone.
void drops(std::size_t count) {
  std::vector<manta::Actor<Idler>> actors;
  std::vector<manta::Ref<int>> refs;
  for (std::size_t i = 0; i < count; ++i) actors.push_back(manta::actor<Idler>.options({.num_cpus = 0})());
  for (auto& actor : actors) refs.push_back(actor.call<&Idler::process>());
  const std::vector<int> processes = manta::get(refs);
  const int node = manta::get(actors.front().call<&Idler::node>());
  const double before = seconds_of(node);
  std::fprintf(stderr, "all live\n");
  actors.clear();
  for (const int process : processes) {
    while (::kill(process, 0) == 0) ::usleep(1000);
  }
  std::fprintf(stderr, "all gone, the node process took %.2f s\n", seconds_of(node) - before);
  (void)manta::get(manta::remote<twice>(2));  // after any worker that was started before
}
void drops_few() { drops(200); }
void drops_many() { drops(1'400); }

const std::map<std::string, std::function<void()>> programs{{"plain", plain},         {"deaths", deaths},
                                                            {"throws", throws},       {"waits", waits},
                                                            {"drops_few", drops_few}, {"drops_many", drops_many}};

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

// Nothing is started for actors that are no more. (drops_many, by hand: 1,400 of them.)
TEST(Log, ShowsThatDroppedActorsAreNotReplaced) {
  const std::string text = said("drops_few", {"MANTA_LOG=debug"});
  const auto dropped = text.find("all live");
  const auto gone = text.find("all gone, the node process took ");
  ASSERT_NE(dropped, std::string::npos) << text;
  ASSERT_NE(gone, std::string::npos) << text;
  int workers = 0;
  for (auto at = text.find("is ready", dropped); at != std::string::npos; at = text.find("is ready", at + 1)) ++workers;
  EXPECT_LE(workers, 3) << "two that the node keeps ready, one for the last task:\n" << text.substr(dropped);
  EXPECT_LT(std::stod(text.substr(gone + 32)), 0.5) << "of CPU time";
}

TEST(Log, ErrorsAreSilentOnlyWhenSwitchedOff) {
  const char* expected =
      "\\(Ungrateful pid=[0-9]+\\) \\[manta .* worker [0-9]+ error\\] the destructor of an actor threw: no\n";
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
