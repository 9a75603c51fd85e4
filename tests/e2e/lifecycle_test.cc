// Beginnings and ends: no runtime yet, one too many, none any more, another one.
#include <gtest/gtest.h>

#include <dirent.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using manta::e2e::await_cell;
using manta::e2e::outside;

int argc_of_main = 0;
char** argv_of_main = nullptr;

manta::Runtime start(const manta::InitOptions& options = {.num_cpus = 2, .num_gpus = 0}) {
  return manta::init(argc_of_main, argv_of_main, options);
}

int square(int x) { return x * x; }
std::vector<int> many(int n) { return std::vector<int>(static_cast<std::size_t>(n), n); }
int parent_process() { return ::getppid(); }
int stuck(int) {
  ++outside()[0];
  for (;;) ::pause();
}
std::string name_of_process() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm") >> std::ws, name);
  return name;
}

template <class F>
Error error_of(F call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::internal, "nothing thrown");
}

std::set<std::string> open_descriptors() {
  std::set<std::string> open;
  DIR* dir = ::opendir("/proc/self/fd");
  const int own = ::dirfd(dir);
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != own) open.insert(entry->d_name);
  }
  ::closedir(dir);
  return open;
}
int threads() {
  DIR* dir = ::opendir("/proc/self/task");
  int n = 0;
  while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
  ::closedir(dir);
  return n;
}
int mappings_of_manta() {
  std::ifstream maps("/proc/self/maps");
  int n = 0;
  for (std::string line; std::getline(maps, line);) {
    n += line.find("memfd:manta-") != std::string::npos && line.find("manta-test-") == std::string::npos;
  }
  return n;
}
int children() {
  std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  int n = 0;
  for (pid_t pid; file >> pid;) ++n;
  return n;
}

class Lifecycle : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

constexpr const char* kNotRunning =
    "Manta is not running in this process: keep the Runtime that manta::init(argc, argv) returns, as the first line of "
    "main, for as long as tasks are used";

TEST_F(Lifecycle, UseBeforeInit) {
  for (const Error& error : {error_of([] { (void)manta::remote<square>(2); }), error_of([] { (void)manta::put(2); })}) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_STREQ(error.what(), kNotRunning);
  }
}

TEST_F(Lifecycle, TwoAtOnce) {
  auto runtime = start();
  const Error error = error_of([] { auto second = start(); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_STREQ(error.what(), "manta::init was called, but a Runtime is alive in this process already");
  EXPECT_EQ(manta::get(manta::remote<square>(3)), 9);
}

TEST_F(Lifecycle, NamesOfProcesses) {
  auto runtime = start();
  EXPECT_EQ(manta::get(manta::remote<name_of_process>()), "manta-worker");
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(manta::get(manta::remote<parent_process>())) + "/comm"), name);
  EXPECT_EQ(name, "manta-node");
}

TEST_F(Lifecycle, MovedRuntime) {
  std::optional<manta::Runtime> holder;
  {
    auto runtime = start();
    holder.emplace(std::move(runtime));
  }
  EXPECT_EQ(manta::get(manta::remote<square>(3)), 9);
  holder->shutdown();
  holder->shutdown();
  EXPECT_EQ(error_of([] { (void)manta::remote<square>(2); }).code(), ErrorCode::unavailable);
}

TEST_F(Lifecycle, AgainAndAgainLeavesNothing) {
  start().shutdown();  // what libraries open once
  const auto descriptors = open_descriptors();
  const int threads_before = threads();
  for (int i = 0; i < 15; ++i) {
    auto runtime = start();
    EXPECT_EQ(manta::get(manta::remote<square>(i)), i * i);
    EXPECT_EQ(manta::get(manta::remote<many>(50'000)).size(), 50'000U);
    (void)manta::put(many(100'000));
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(threads(), threads_before);
  EXPECT_EQ(mappings_of_manta(), 0);
  EXPECT_EQ(children(), 0);
}

TEST_F(Lifecycle, EndsAtOnceAlthoughTasksRun) {
  auto runtime = start();
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 100; ++i) refs.push_back(manta::remote<stuck>(i));
  ASSERT_TRUE(await_cell(0, 2));
  const auto begin = std::chrono::steady_clock::now();
  runtime.shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s * manta::e2e::slowness());
  for (auto& ref : refs) {
    const Error error = manta::try_get(ref, 0s).error();
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_STREQ(error.what(), "the runtime has ended");
  }
  EXPECT_EQ(children(), 0);
}

TEST_F(Lifecycle, WaitingThreadsHearOfTheEnd) {
  std::optional<manta::Runtime> runtime = start();
  auto ref = manta::remote<stuck>(1);
  std::vector<std::thread> waiters;
  std::atomic<int> ended{0};
  waiters.emplace_back([&] { ended += error_of([&] { (void)manta::get(ref); }).code() == ErrorCode::unavailable; });
  waiters.emplace_back([&] {
    std::vector<Ref<int>> refs{ref};
    manta::wait(refs);
    ended += refs[0].ready();
  });
  waiters.emplace_back([&] {
    std::vector<Ref<int>> refs{ref};
    for (auto& one : manta::as_completed(refs)) ended += one.ready();
  });
  ASSERT_TRUE(await_cell(0, 1));
  std::this_thread::sleep_for(20ms);  // most likely all three sleep by now; it must also work if not
  runtime.reset();
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(ended, 3);
}

TEST_F(Lifecycle, RefsOutliveTheRuntime) {
  Ref<int> small, waiting;
  Ref<std::vector<int>> large, own;
  {
    auto runtime = start();
    small = manta::remote<square>(4);
    large = manta::remote<many>(100'000);
    own = manta::put(many(200'000));
    EXPECT_EQ(manta::get(small), 16);
    EXPECT_EQ(manta::get(large).size(), 100'000U);
    waiting = manta::remote<stuck>(0);
  }
  EXPECT_EQ(manta::get(small), 16) << "what was resolved stays";
  EXPECT_EQ(manta::get(large), many(100'000));
  EXPECT_EQ(manta::get(own), many(200'000));
  EXPECT_STREQ(error_of([&] { (void)manta::get(waiting); }).what(), "the runtime has ended");
  EXPECT_STREQ(error_of([&] { (void)manta::remote<square>(small); }).what(), kNotRunning);
  auto copy = large;
  large = {};
  EXPECT_EQ(manta::get(copy).size(), 100'000U);
}

// Refs of an earlier runtime and objects of the present one do not get mixed up.
TEST_F(Lifecycle, RefsOfAnEarlierRuntime) {
  std::optional<manta::Runtime> first = start();
  auto old_small = manta::put(1);
  auto old_large = manta::put(many(100'000));
  auto old_result = manta::remote<many>(100'000);
  (void)manta::get(old_result);
  auto old_waiting = manta::remote<stuck>(0);
  first.reset();
  auto second = start();
  auto large = manta::put(many(100'000));
  auto result = manta::remote<many>(100'001);
  EXPECT_EQ(manta::get(result).size(), 100'001U);
  const Error error = error_of([&] { (void)manta::get(manta::remote<square>(old_small)); });
  EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  EXPECT_NE(std::string(error.what()).find("an earlier Runtime"), std::string::npos) << error.what();
  EXPECT_EQ(error_of([&] { (void)manta::put(std::vector{old_small}); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(manta::get(old_small), 1);
  EXPECT_EQ(manta::get(old_large).size(), 100'000U);
  for (auto& ref : manta::as_completed(std::vector{old_waiting, old_small})) EXPECT_TRUE(ref.ready());
  std::vector<Ref<int>> refs{old_waiting, old_small, manta::remote<square>(3)};
  EXPECT_EQ(manta::wait(refs, {.count = 3}), 3U);
  for (auto& ref : manta::as_completed(refs)) EXPECT_TRUE(ref.ready());
  // Dropped now: nothing of the present runtime may be freed in their place.
  old_small = {};
  old_large = {};
  old_result = {};
  std::vector<Ref<std::vector<int>>> more;
  for (int i = 0; i < 10; ++i) more.push_back(manta::put(many(100'002 + i)));
  EXPECT_EQ(manta::get(large), many(100'000));
  EXPECT_EQ(manta::get(result), many(100'001));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(manta::get(more[static_cast<std::size_t>(i)]), many(100'002 + i));
}

// Where threads exist nothing can be forked: node and workers are the program, executed again.
TEST_F(Lifecycle, ThreadsBeforeInit) {
  std::atomic<bool> stop{false};
  std::thread early([&] {
    while (!stop) std::this_thread::sleep_for(1ms);
  });
  {
    auto runtime = start();
    std::vector<Ref<int>> refs;
    for (int i = 0; i < 200; ++i) refs.push_back(manta::remote<square>(i));
    for (int i = 0; i < 200; ++i) EXPECT_EQ(manta::get(refs[static_cast<std::size_t>(i)]), i * i);
    const std::string node = std::to_string(manta::get(manta::remote<parent_process>()));
    char program[4096] = {};
    EXPECT_GT(::readlink(("/proc/" + node + "/exe").c_str(), program, sizeof program - 1), 0);
  }
  stop = true;
  early.join();
  EXPECT_EQ(children(), 0);
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value, 1);
  }
  ~Environment() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST_F(Lifecycle, SettingsThatMakeNoSense) {
  const auto message = [](const char* name, const char* value, const manta::InitOptions& options) {
    const Environment environment(name, value);
    const Error error = error_of([&] { auto runtime = start(options); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return std::string(error.what());
  };
  EXPECT_EQ(message("MANTA_NUM_CPUS", "two", {}), "MANTA_NUM_CPUS is \"two\", but must be a number of at least 0");
  EXPECT_EQ(message("MANTA_NUM_GPUS", "-1", {}), "MANTA_NUM_GPUS is \"-1\", but must be a number of at least 0");
  EXPECT_EQ(message("MANTA_ZYGOTE", "spoon", {}), "MANTA_ZYGOTE is \"spoon\", but must be \"fork\" or \"exec\"");
  EXPECT_NE(message("X", "", {.num_gpus = 1.5}).find("must be a whole number"), std::string::npos);
  EXPECT_NE(message("X", "", {.max_workers = 0}).find("max_workers must be at least 1"), std::string::npos);
  EXPECT_EQ(children(), 0);
}

TEST_F(Lifecycle, SettingsByEnvironmentAndCommandLine) {
  const Environment cpus("MANTA_NUM_CPUS", "3");
  EXPECT_EQ(start({}).num_cpus(), 3);
  EXPECT_EQ(start({.num_cpus = 1}).num_cpus(), 1);
  std::string program = "program", flag = "--manta-num-cpus=2.5", gpus = "--manta-num-gpus=2";
  char* arguments[] = {program.data(), flag.data(), gpus.data(), nullptr};
  const auto runtime = manta::init(3, arguments);
  EXPECT_EQ(runtime.num_cpus(), 2.5);
  EXPECT_EQ(runtime.num_gpus(), 2);
}

// The bound on processes: its error says so, and what is possible under it still runs.
int blocks(int depth) {
  if (depth == 0) return 0;
  // What needs a resource of its own cannot run in the process of its parent.
  return 1 + manta::get(manta::remote<blocks>.options({.resources = {{{"level", 1}}}})(depth - 1));
}

TEST_F(Lifecycle, TooManyProcesses) {
  auto runtime = start({.num_cpus = 2, .num_gpus = 0, .resources = {{{"level", 100}}}, .max_workers = 4});
  EXPECT_EQ(manta::get(manta::remote<blocks>(3)), 3);
  const auto begin = std::chrono::steady_clock::now();
  const auto result = manta::try_get(manta::remote<blocks>(20), 20s);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s * manta::e2e::slowness());
  ASSERT_FALSE(result);
  EXPECT_NE(std::string(result.error().what()).find("max_workers"), std::string::npos) << result.error().what();
  EXPECT_EQ(manta::get(manta::remote<blocks>(3), 20s), 3) << "and it goes on";
}

}  // namespace

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  argc_of_main = argc;
  argv_of_main = argv;
  start().shutdown();  // does not return in a worker
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
