// Starts of whole programs (this one, with --program=NAME): wrong settings, limits of the shell and of control groups,
// and fork() after the start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::e2e::ProgramRun;
using manta::e2e::run_program;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

int argc_of_main = 0;
char** argv_of_main = nullptr;

manta::Runtime start(const manta::InitOptions& options = {}) {
  return manta::init(argc_of_main, argv_of_main, options);
}

int square(int x) { return x * x; }
int waits_for_ever() {
  for (;;) ::pause();
}
// At a pace that the memory monitor can follow also where the limit is small.
int takes(std::size_t mib) {
  std::vector<std::vector<char>> memory;
  for (std::size_t i = 0; i < mib; i += 2) {
    memory.emplace_back(std::size_t{2} << 20, 1);
    ::usleep(2'000);
  }
  return memory.back()[7];
}

// --- programs; their result is the exit status

int starts() {
  const auto runtime = start();
  return manta::get(manta::remote<square>(3)) == 9 ? 0 : 1;
}
int says_started() {
  const auto runtime = start();
  std::printf("it runs");
  return 0;
}
int catches() {
  try {
    return starts();
  } catch (const Error& error) {
    std::printf("%s\n", error.what());
    return error.code() == ErrorCode::exhausted ? 7 : error.code() == ErrorCode::invalid_argument ? 8 : 9;
  }
}
int small_files() {
  const rlimit limit{64 << 20, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  return starts();
}
int small_files_caught() {
  const rlimit limit{64 << 20, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  return catches();
}
int few_files() {
  const rlimit limit{9, 9};
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return starts();
}
int little_address_space() {
  const rlimit limit{300 << 20, 300 << 20};
  ::setrlimit(RLIMIT_AS, &limit);
  return starts();
}
int counts_cpus() {
  const auto runtime = start();
  std::printf("%g CPUs", runtime.num_cpus());
  return 0;
}
int takes_too_much() {
  const auto runtime = start({.store_capacity_bytes = 16 << 20});
  const auto result = manta::try_get(manta::remote<takes>.options({.max_retries = 0})(600));
  std::printf("%s", result ? "no error" : result.error().what());
  return 0;
}

// The child calls `child`; the parent's runtime goes on.
int forks(const std::function<int()>& child) {
  auto runtime = start();
  auto open = manta::remote<waits_for_ever>();
  const auto resolved = manta::remote<square>(4);
  (void)manta::get(resolved);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const manta::Ref<int> copy = open;
    return child();
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 5) return 2;
  return manta::get(manta::remote<square>(3)) == 9 && manta::get(resolved) == 16 ? 0 : 1;
}
int fork_returns() {
  return forks([] { return 5; });
}
int fork_exits() {
  return forks([]() -> int { std::exit(5); });
}
bool says_forked(const std::function<void()>& use) {
  try {
    use();
  } catch (const Error& error) {
    return error.code() == ErrorCode::unavailable && std::strstr(error.what(), "forked") != nullptr;
  }
  return false;
}
int fork_uses_it() {
  return forks([] {
    const bool all = says_forked([] { (void)manta::remote<square>(1); }) && says_forked([] { (void)manta::put(7); }) &&
                     says_forked([] { (void)manta::cluster_nodes(); }) && says_forked([] { (void)start(); });
    return all ? 5 : 1;
  });
}
int fork_waits() {
  auto runtime = start();
  const auto open = manta::remote<waits_for_ever>();
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(says_forked([&] { (void)manta::get(open); }) ? 5 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 5 ? 0 : 1;
}
int becomes_a_daemon() {
  const auto runtime = start();
  if (::daemon(1, 1) != 0) return 1;
  try {
    (void)manta::remote<square>(1);
  } catch (const Error& error) {
    std::printf("%s", error.what());
  }
  return 0;
}

const std::map<std::string, std::function<int()>> programs{
    {"starts", starts},
    {"says_started", says_started},
    {"catches", catches},
    {"small_files", small_files},
    {"few_files", few_files},
    {"counts_cpus", counts_cpus},
    {"little_address_space", little_address_space},
    {"fork_returns", fork_returns},
    {"fork_exits", fork_exits},
    {"fork_uses_it", fork_uses_it},
    {"fork_waits", fork_waits},
    {"becomes_a_daemon", becomes_a_daemon},
    {"takes_too_much", takes_too_much},
    {"small_files_caught", small_files_caught},
};

// --- settings

TEST(Startup, AWrongSettingThatIsNotCaughtIsPrinted) {
  const ProgramRun run = run_program({"--program=starts"}, {"MANTA_NUM_CPUS=many"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.err, "manta::init: MANTA_NUM_CPUS is \"many\", but must be a number of at least 0\n");
}

TEST(Startup, AWrongSettingCanBeCaught) {
  const ProgramRun run = run_program({"--program=catches"}, {"MANTA_NUM_CPUS=many"});
  EXPECT_EQ(run.status, 8);
  EXPECT_THAT(run.out, StartsWith("MANTA_NUM_CPUS is \"many\""));
  EXPECT_THAT(run.err, IsEmpty());
}

TEST(Startup, HelpIsPrintedBeforeAnythingIsStarted) {
  // A wrong setting would end the start with status 2.
  const ProgramRun run = run_program({"--program=says_started", "--manta-help"}, {"MANTA_NUM_CPUS=many"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(StartsWith("Settings of Manta."), HasSubstr("--manta-num-cpus=N, MANTA_NUM_CPUS=N"),
                             HasSubstr("NO_COLOR=1"), Not(HasSubstr("it runs"))));
  EXPECT_THAT(run.err, IsEmpty());
  EXPECT_EQ(run_program({"--program=says_started", "--", "--manta-help"}).out, "it runs");
}

TEST(Startup, AMisspeltVariableIsNamedOnce) {
  const ProgramRun run = run_program({"--program=starts"}, {"MANTA_SPLIL_DIR=/tmp", "MANTA_TEST_A=1"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err,
              ContainsRegex("^\\[manta .* driver [0-9]+ warn\\] the environment has MANTA_SPLIL_DIR, which is "
                            "not a setting; did you mean MANTA_SPILL_DIR\\? --manta-help lists all settings\n$"));
}

TEST(Startup, AWrongSettingOfTheOutputIsRefused) {
  const ProgramRun run = run_program({"--program=starts"}, {"MANTA_FOLD_OUTPUT=no"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.err, "manta::init: MANTA_FOLD_OUTPUT is \"no\", but must be 0 or 1\n");
}

// --- limits

TEST(Startup, ALimitOnFilesBelowTheStoresSizeIsNamed) {
  const ProgramRun run = run_program({"--program=small_files"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, AllOf(HasSubstr("ulimit -f allows files of 64.0 MiB, but an object store of"),
                             HasSubstr("InitOptions::store_capacity_bytes"), Not(HasSubstr("look above"))));
  const ProgramRun caught = run_program({"--program=small_files_caught"});
  EXPECT_EQ(caught.status, 8) << caught.out << caught.err;
}

TEST(Startup, TooFewDescriptorsAreNamed) {
  const ProgramRun run = run_program({"--program=few_files"});
  EXPECT_EQ(run.status, 2) << run.err;
  EXPECT_THAT(run.err, AllOf(StartsWith("manta::init: "), HasSubstr("Too many open files")));
}

TEST(Startup, TooLittleAddressSpaceIsNamed) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer needs more";
#endif
  const ProgramRun run = run_program({"--program=little_address_space"});
  if (run.status == 0) return;  // what was reserved fitted
  EXPECT_EQ(run.status, 2) << run.err;
  EXPECT_THAT(run.err, StartsWith("manta::init: "));
}

// --- control groups; where this process may make some (version 1)

class Group {
 public:
  explicit Group(const std::string& controller)
      : folder_("/sys/fs/cgroup/" + controller + "/manta-test-" + std::to_string(::getpid())) {
    std::error_code error;
    made_ = std::filesystem::create_directory(folder_, error);
  }
  ~Group() {
    std::error_code error;
    if (made_) std::filesystem::remove(folder_, error);
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  bool set(const std::string& file, const std::string& value) const {
    if (!made_ || !std::filesystem::exists(folder_ / file)) return false;
    std::ofstream out(folder_ / file);
    out << value << std::flush;
    return out.good();
  }
  std::string join() const { return "--group=" + (folder_ / "cgroup.procs").string(); }

 private:
  std::filesystem::path folder_;
  bool made_ = false;
};

TEST(Startup, TheQuotaOfAControlGroupIsTheNumberOfCpus) {
  const Group group("cpu");
  if (!group.set("cpu.cfs_quota_us", "50000")) GTEST_SKIP() << "no control groups can be made here";
  EXPECT_EQ(run_program({"--program=counts_cpus", group.join()}).out, "1 CPUs");
  ASSERT_TRUE(group.set("cpu.cfs_quota_us", "150000"));
  const std::string affinity = std::to_string(std::min(2L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_EQ(run_program({"--program=counts_cpus", group.join()}).out, affinity + " CPUs");
}

TEST(Startup, TheKernelsMemoryKillIsNamed) {
  const Group group("memory");
  if (!group.set("memory.limit_in_bytes", "314572800")) GTEST_SKIP() << "no control groups can be made here";
  const ProgramRun run = run_program({"--program=takes_too_much", group.join()}, {"MANTA_MEMORY_THRESHOLD=0"});
  EXPECT_THAT(run.out, HasSubstr("was killed by signal 9 (SIGKILL): the kernel killed it because memory ran out (this "
                                 "container's limit is 300.0 MiB)"))
      << run.err;
}

TEST(Startup, TheMemoryMonitorSeesTheLimitOfAControlGroup) {
  const Group group("memory");
  if (!group.set("memory.limit_in_bytes", "314572800")) GTEST_SKIP() << "no control groups can be made here";
  const ProgramRun run = run_program({"--program=takes_too_much", group.join()}, {"MANTA_MEMORY_THRESHOLD=0.5"});
  EXPECT_THAT(run.out, HasSubstr("was ended because memory ran short")) << run.err;
}

// --- fork

TEST(Startup, AForkedChildLeavesTheRuntimeToItsParent) {
  for (const char* program : {"fork_returns", "fork_exits", "fork_uses_it", "fork_waits"}) {
    const ProgramRun run = run_program({std::string("--program=") + program});
    EXPECT_TRUE(run.in_time) << program;
    EXPECT_EQ(run.status, 0) << program << run.err;
  }
}

TEST(Startup, ADaemonsErrorSaysThatItHasNoRuntime) {
  const ProgramRun run = run_program({"--program=becomes_a_daemon"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0);
  EXPECT_THAT(run.out, HasSubstr("call fork() or daemon() before manta::init"));
}

}  // namespace

int main(int argc, char** argv) {
  argc_of_main = argc;
  argv_of_main = argv;
  std::string program;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with("--program=")) program = word.substr(10);
    if (word.starts_with("--group=")) std::ofstream(word.substr(8)) << ::getpid() << std::flush;
  }
  if (!program.empty()) return programs.at(program)();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
