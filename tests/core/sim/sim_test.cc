// The simulator finds nothing wrong with owner, sched and head, and a seed decides all that happens in it.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "core/testing/sim_cluster.h"

namespace manta::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 300;  // about ten times slower
#else
constexpr std::uint64_t kSeeds = 2000;
#endif

SimResult run(std::uint64_t seed) { return SimCluster(SimOptions::from_seed(seed)).run(); }

// What sim_run prints about the seed, in a process of its own.
std::string run_elsewhere(const std::string& program, std::uint64_t seed) {
  const std::string command = "'" + program + "' --seed " + std::to_string(seed);
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "cannot run " + command;
  std::string out;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  ::pclose(pipe);
  return out;
}

TEST(Simulator, FindsNothingWrong) {
  std::uint64_t tasks = 0, runs = 0, calls = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const SimResult result = run(seed);
    ASSERT_EQ(result.failure, "") << "to see it: sim_run --trace --seed " << seed << "\n" << result.trace;
    tasks += result.tasks;
    runs += result.runs;
    calls += result.calls;
  }
  EXPECT_GT(tasks, kSeeds * 40) << "it hardly does anything";
  EXPECT_GT(runs, kSeeds * 40);
  EXPECT_GT(calls, kSeeds * 10) << "of actors, that returned a value";
}

// OWN-14
TEST(Simulator, CancelsAnything) {
  std::uint64_t cancels = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds / 2; ++seed) {
    SimOptions options = SimOptions::from_seed(seed);
    options.cancels = 1 + static_cast<std::uint32_t>(seed % 15);
    const SimResult result = SimCluster(options).run();
    ASSERT_EQ(result.failure, "") << "to see it: sim_run --trace --cancels " << options.cancels << " --seed " << seed
                                  << "\n"
                                  << result.trace;
    cancels += result.cancels;
  }
  EXPECT_GT(cancels, kSeeds) << "it hardly cancels anything";
}

TEST(Simulator, TheSameSeedHasTheSameTrace) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const SimResult first = run(seed);
    const SimResult second = run(seed);
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_TRUE(hashes.insert(first.hash).second) << "seed " << seed << " has the trace of another";
  }
}

// Another process has other addresses, so nothing may depend on their order. And it is another build: planted bugs that
// are not active change nothing.
TEST(Simulator, TheSameSeedHasTheSameTraceInAnotherProcess) {
  const char* program = std::getenv("MANTA_SIM_RUN");
  if (program == nullptr) GTEST_SKIP() << "set MANTA_SIM_RUN to the path of sim_run";
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    char expected[64];
    std::snprintf(expected, sizeof expected, "seed %" PRIu64 ": hash %016" PRIx64 ",", seed, run(seed).hash);
    const std::string out = run_elsewhere(program, seed);
    EXPECT_EQ(out.substr(0, std::string(expected).size()), expected) << out;
  }
}

}  // namespace
}  // namespace manta::sim
