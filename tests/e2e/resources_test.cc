// Never more at once than the node has, and as much as it has. What runs is recorded outside of Manta.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using manta::TaskOptions;
using manta::e2e::await_cell;
using manta::e2e::Gauge;
using manta::e2e::outside;

constexpr std::size_t kCpu = 0, kMemory = 2, kLicense = 4, kRunning = 6, kOpen = 8, kGpus = 10;  // kGpus + 2 i

// One runtime for all: 2 CPUs, 4 GPUs that do not exist, 1,000 bytes of memory, 2 licences.
class Resources : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

std::vector<int> visible_gpus() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::vector<int> gpus;
  std::istringstream list(visible != nullptr ? visible : "unset");
  for (std::string name; std::getline(list, name, ',');) gpus.push_back(name == "unset" ? -1 : std::stoi(name));
  return gpus;
}

// Counts, outside of Manta, what its options requested, for a moment. GPUs: those that it sees.
int hold(int cpu, int gpu, int memory, int license, int microseconds) {
  const Gauge running(kRunning), c(kCpu, cpu), m(kMemory, memory), l(kLicense, license);
  std::vector<std::unique_ptr<Gauge>> gpus;
  for (const int index : visible_gpus()) {
    gpus.push_back(std::make_unique<Gauge>(kGpus + 2 * static_cast<std::size_t>(index), std::min(gpu, 10'000)));
  }
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return static_cast<int>(gpus.size());
}

// Ends once `count` of them run at the same time.
int meet(int count) {
  const Gauge running(kRunning);
  if (Gauge::highest(kRunning) >= count) outside()[kOpen] = 1;
  return await_cell(kOpen, 1) ? 1 : 0;
}

int met(const TaskOptions& options, int count) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 3 * count; ++i) refs.push_back(manta::remote<meet>.options(options)(count));
  int total = 0;
  for (auto& ref : refs) total += manta::get(ref);
  EXPECT_EQ(total, 3 * count);
  return static_cast<int>(Gauge::highest(kRunning));
}

TEST_F(Resources, TheDriverSeesWhatTheNodeHas) {
  EXPECT_EQ(manta::testing::runtime().num_cpus(), 2);
  EXPECT_EQ(manta::testing::runtime().num_gpus(), 4);
}

TEST_F(Resources, WholeCpus) { EXPECT_EQ(met({.num_cpus = 1}, 2), 2); }
TEST_F(Resources, AllCpusAtOnce) { EXPECT_EQ(met({.num_cpus = 2}, 1), 1); }
TEST_F(Resources, HalfCpus) { EXPECT_EQ(met({.num_cpus = 0.5}, 4), 4); }
TEST_F(Resources, ThirdsOfACpu) { EXPECT_EQ(met({.num_cpus = 0.6667}, 2), 2) << "three would need 2.0001"; }
TEST_F(Resources, TenthsOfACpu) { EXPECT_EQ(met({.num_cpus = 0.1}, 20), 20); }
TEST_F(Resources, WholeGpus) { EXPECT_EQ(met({.num_cpus = 0, .num_gpus = 1}, 4), 4); }
TEST_F(Resources, PairsOfGpus) { EXPECT_EQ(met({.num_cpus = 0, .num_gpus = 2}, 2), 2); }
TEST_F(Resources, HalfGpus) { EXPECT_EQ(met({.num_cpus = 0, .num_gpus = 0.5}, 8), 8); }
TEST_F(Resources, MostOfAGpu) { EXPECT_EQ(met({.num_cpus = 0, .num_gpus = 0.6}, 4), 4) << "two never share one"; }
TEST_F(Resources, Memory) { EXPECT_EQ(met({.num_cpus = 0, .memory_bytes = 400}, 2), 2); }
TEST_F(Resources, Custom) { EXPECT_EQ(met({.num_cpus = 0, .resources = {{{"license", 0.5}}}}, 4), 4); }

TEST_F(Resources, NoCpuNeedsNone) {
  auto busy = manta::remote<meet>.options({.num_cpus = 2})(100);
  ASSERT_TRUE(await_cell(kRunning, 1));
  EXPECT_EQ(manta::get(manta::remote<hold>.options({.num_cpus = 0})(0, 0, 0, 0, 0), 20s), 0);
  outside()[kOpen] = 1;
  EXPECT_EQ(manta::get(busy), 1);
}

TEST_F(Resources, GpusAreNamedByIndex) {
  for (const double gpus : {0.25, 0.5, 1.0, 2.0, 3.0, 4.0}) {
    const auto seen = manta::get(manta::remote<visible_gpus>.options({.num_gpus = gpus})());
    EXPECT_EQ(seen.size(), gpus < 1 ? 1U : static_cast<std::size_t>(gpus)) << gpus;
    for (const int index : seen) EXPECT_TRUE(index >= 0 && index < 4) << index;
    EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), seen.size());
  }
  EXPECT_TRUE(manta::get(manta::remote<visible_gpus>()).empty()) << "without GPUs: none is visible";
}

TEST_F(Resources, AnAfternoonOfMixedRequests) {
  std::mt19937 random(::testing::UnitTest::GetInstance()->random_seed());
  const auto pick = [&](auto... values) {
    const std::vector<int> all{values...};
    return all[random() % all.size()];
  };
  std::vector<Ref<int>> refs;
  std::vector<int> gpus;
  for (int i = 0; i < 300; ++i) {
    const int cpu = pick(0, 1'000, 2'500, 5'000, 10'000, 10'000, 15'000, 20'000);
    const int gpu = pick(0, 0, 0, 0, 2'500, 5'000, 10'000, 20'000, 30'000);
    const int memory = pick(0, 0, 0, 100, 500, 1'000);
    const int license = pick(0, 0, 0, 0, 5'000, 10'000, 20'000);
    const int microseconds = pick(0, 0, 100, 1'000, 3'000);
    gpus.push_back((gpu + 9'999) / 10'000);
    refs.push_back(manta::remote<hold>.options({.num_cpus = cpu / 1e4,
                                                .num_gpus = gpu / 1e4,
                                                .memory_bytes = static_cast<std::uint64_t>(memory),
                                                .resources = {{{"license", license / 1e4}}}})(cpu, gpu, memory, license,
                                                                                              microseconds));
  }
  for (std::size_t i = 0; i < refs.size(); ++i) EXPECT_EQ(manta::get(refs[i]), gpus[i]) << i;
  EXPECT_LE(Gauge::highest(kCpu), 20'000);
  EXPECT_GE(Gauge::highest(kCpu), 15'000);
  EXPECT_LE(Gauge::highest(kMemory), 1'000);
  EXPECT_LE(Gauge::highest(kLicense), 20'000);
  for (std::size_t gpu = 0; gpu < 4; ++gpu) EXPECT_LE(Gauge::highest(kGpus + 2 * gpu), 10'000) << gpu;
  EXPECT_EQ(outside()[kRunning], 0);
}

// Each parent submits children of a shape of its own; they and their siblings share the node.
int parent(int shape) {
  const TaskOptions shapes[] = {{.num_cpus = 1},   {.num_cpus = 2},
                                {.num_cpus = 0.5}, {.num_cpus = 0.25, .num_gpus = 0.5},
                                {.num_gpus = 2},   {.num_cpus = 0, .resources = {{{"license", 1}}}},
                                {.num_cpus = 0.1}, {.num_cpus = 0, .memory_bytes = 600}};
  const TaskOptions& options = shapes[shape];
  std::vector<Ref<int>> children;
  for (int i = 0; i < 10; ++i) {
    children.push_back(manta::remote<hold>.options(options)(
        static_cast<int>(options.num_cpus * 1e4), static_cast<int>(options.num_gpus * 1e4),
        static_cast<int>(options.memory_bytes), static_cast<int>(options.resources[0].amount * 1e4), 300));
  }
  for (auto& child : manta::as_completed(children)) (void)manta::get(child);
  return shape;
}

TEST_F(Resources, ShapesFromSeveralNestedSubmitters) {
  std::vector<Ref<int>> refs;
  for (int round = 0; round < 2; ++round) {
    for (int shape = 0; shape < 8; ++shape) refs.push_back(manta::remote<parent>.options({.num_cpus = 0.5})(shape));
  }
  for (int i = 0; i < 16; ++i) EXPECT_EQ(manta::get(refs[static_cast<std::size_t>(i)]), i % 8);
  EXPECT_LE(Gauge::highest(kMemory), 1'000);
  EXPECT_LE(Gauge::highest(kLicense), 20'000);
  for (std::size_t gpu = 0; gpu < 4; ++gpu) EXPECT_LE(Gauge::highest(kGpus + 2 * gpu), 10'000) << gpu;
}

Error refusal(const TaskOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  auto result = manta::try_get(manta::remote<visible_gpus>.options(options)(), 20s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 1s * manta::e2e::slowness()) << "at once";
  return result ? Error(ErrorCode::internal, "it ran") : result.error();
}
std::string refusal_inside(int) { return refusal({.num_cpus = 3}).what(); }

TEST_F(Resources, InfeasibleRequestsSayWhyAtOnce) {
  struct Case {
    TaskOptions options;
    std::vector<const char*> words;
  };
  const std::vector<Case> cases = {
      {{.num_cpus = 2.5},
       {"visible_gpus cannot run: ", "needs CPU: 2.5, the node has CPU: 2", "ask for less, or add a node"}},
      {{.num_gpus = 5}, {"GPU: 5", "the node has"}},
      {{.memory_bytes = 1001}, {"needs", "memory: 1001", "1000"}},
      {{.resources = {{{"license", 2.0001}}}}, {"license: 2.0001"}},
      {{.resources = {{{"unicorn", 1}}}}, {"unicorn: 1"}},
      {{.num_cpus = 9, .name = "big fold"}, {"task big fold cannot run: "}},
  };
  for (const Case& c : cases) {
    const Error error = refusal(c.options);
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    for (const char* word : c.words) EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
  const std::string inside = manta::get(manta::remote<refusal_inside>(0));
  EXPECT_NE(inside.find("needs CPU: 3, the node has CPU: 2"), std::string::npos) << inside;
  EXPECT_EQ(manta::get(manta::remote<hold>(0, 0, 0, 0, 0)), 0) << "others go on";
}

TEST_F(Resources, AmountsThatMakeNoSenseAreRefusedAtTheCall) {
  const auto message = [](const TaskOptions& options) -> std::string {
    try {
      (void)manta::remote<visible_gpus>.options(options)();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_NE(message({.num_cpus = -1}).find("num_cpus"), std::string::npos) << message({.num_cpus = -1});
  EXPECT_NE(message({.num_cpus = std::nan("")}).find("num_cpus"), std::string::npos);
  EXPECT_NE(message({.num_gpus = 1.5}).find("GPU"), std::string::npos) << message({.num_gpus = 1.5});
  EXPECT_NE(message({.resources = {{{"license", -0.5}}}}).find("license"), std::string::npos);
  EXPECT_NE(message({.num_cpus = 1e300}).find("num_cpus"), std::string::npos);
}

// A worker that dies gives back all that it held.
int die_holding() { std::_Exit(7); }

TEST_F(Resources, ComeBackFromTheDead) {
  for (int i = 0; i < 5; ++i) {
    auto dead = manta::try_get(manta::remote<die_holding>.options(
        {.num_cpus = 2, .num_gpus = 4, .memory_bytes = 1000, .resources = {{{"license", 2}}}, .max_retries = 0})());
    EXPECT_EQ(dead.error().code(), ErrorCode::worker_died);
  }
  EXPECT_EQ(met({.num_cpus = 1, .num_gpus = 2, .memory_bytes = 500, .resources = {{{"license", 1}}}}, 2), 2);
}

// --- priorities

constexpr std::size_t kStarts = 100, kOrder = 101;  // how many have started; the priority of each, in order

void notes_its_start(int priority) {
  const auto at = static_cast<std::size_t>(outside()[kStarts]++);
  outside()[kOrder + at] = priority;
}
int holds_a_cpu() {
  const Gauge running(kRunning);
  return await_cell(kOpen, 1) ? 1 : 0;
}
void submits(int priority, int count) {
  for (int i = 0; i < count; ++i) {
    (void)manta::remote<notes_its_start>.options({.num_cpus = 2, .priority = priority})(priority);
  }
}
std::vector<int> order_of_starts(std::size_t count) {
  std::vector<int> order;
  for (std::size_t i = 0; i < count; ++i) order.push_back(static_cast<int>(outside()[kOrder + i]));
  return order;
}

TEST_F(Resources, HigherPrioritiesGoFirst) {
  auto holder = manta::remote<holds_a_cpu>();
  ASSERT_TRUE(await_cell(kRunning, 1));
  const std::vector<int> priorities{0, 3, -7, 3, 0, 1000, -7, 5, 0, 3};
  for (const int priority : priorities) submits(priority, 2);
  // Another submitter, whose demand the node hears of apart.
  manta::get(manta::remote<submits>.options({.num_cpus = 0})(4, 3));
  outside()[kOpen] = 1;
  EXPECT_EQ(manta::get(holder), 1);
  ASSERT_TRUE(await_cell(kStarts, 23));
  std::vector<int> expected{4, 4, 4};
  for (const int priority : priorities) expected.insert(expected.end(), 2, priority);
  std::sort(expected.rbegin(), expected.rend());
  EXPECT_EQ(order_of_starts(23), expected);
}

int works(int milliseconds) {
  ++outside()[kRunning];
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}

TEST_F(Resources, OneThatComesLaterOvertakesAQueue) {
  std::vector<Ref<int>> queue;
  for (int i = 0; i < 1'000; ++i) queue.push_back(manta::remote<works>.options({.priority = -1})(5));
  ASSERT_TRUE(await_cell(kRunning, 20));
  const std::int64_t before = outside()[kRunning];
  EXPECT_EQ(manta::get(manta::remote<works>.options({.num_cpus = 2, .priority = 1})(0)), 0);
  EXPECT_LT(outside()[kRunning] - before, 200) << "of a thousand";
  for (const auto& ref : queue) manta::cancel(ref);
}

TEST_F(Resources, APriorityOutOfRangeIsRefused) {
  try {
    (void)manta::remote<works>.options({.priority = 1001})(1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("from -1000 to 1000"), std::string::npos) << error.what();
  }
}

// CPUs of a task that waits go to others, and it goes on although they are taken: only that may exceed the node's.
int waits_for_gate() {
  auto gate = manta::remote<meet>.options({.num_cpus = 2})(1000);
  return manta::get(gate);
}

TEST_F(Resources, WaitingTasksReleaseTheirCpus) {
  auto a = manta::remote<waits_for_gate>();
  ASSERT_TRUE(await_cell(kRunning, 1)) << "its child needs both CPUs, one of which it holds itself";
  outside()[kOpen] = 1;
  EXPECT_EQ(manta::get(a), 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (manta::e2e::prepare_outside()) ::unsetenv("CUDA_VISIBLE_DEVICES");  // a worker's was set by its node
  return manta::testing::main(argc, argv,
                              {.num_cpus = 2, .num_gpus = 4, .memory_bytes = 1000, .resources = {{{"license", 2}}}});
}
