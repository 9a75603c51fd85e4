// Runs seeds of the simulator by hand: sim_run --seed N --trace shows one, sim_run --seed A --count N runs many.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/planted_bug.h"
#include "core/testing/sim_cluster.h"

namespace {

int usage() {
  std::fprintf(stderr,
               "usage: sim_run [--seed N] [--count N] [--trace] [--keep-going] [--bug N] [--cancels N]\n"
               "  --seed N      the first seed (1)\n"
               "  --count N     how many seeds from there on (1)\n"
               "  --trace       every event to standard error\n"
               "  --keep-going  do not stop at the first seed that fails\n"
               "  --bug N       with the planted bug of this number\n"
               "  --cancels N   programs cancel something in N percent of their steps (0)\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seed = 1;
  std::uint64_t count = 1;
  std::uint32_t cancels = 0;
  bool trace = false;
  bool keep_going = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const bool has_value = i + 1 < argc;
    if (arg == "--seed" && has_value) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--count" && has_value) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--bug" && has_value) {
      manta::g_planted_bug = std::atoi(argv[++i]);
    } else if (arg == "--cancels" && has_value) {
      cancels = static_cast<std::uint32_t>(std::strtoul(argv[++i], nullptr, 10));
    } else if (arg == "--trace") {
      trace = true;
    } else if (arg == "--keep-going") {
      keep_going = true;
    } else {
      return usage();
    }
  }
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t events = 0, tasks = 0, runs = 0, failed = 0, done = 0;
  for (std::uint64_t s = seed; s < seed + count; ++s) {
    manta::sim::SimOptions options = manta::sim::SimOptions::from_seed(s);
    options.cancels = cancels;
    manta::sim::SimCluster cluster(options);
    cluster.set_live_trace(trace);
    const manta::sim::SimResult result = cluster.run();
    events += result.events;
    tasks += result.tasks;
    runs += result.runs;
    ++done;
    if (count == 1) {
      std::printf("seed %llu: hash %016llx, %llu events, %llu tasks, %.3f virtual s\n",
                  static_cast<unsigned long long>(s), static_cast<unsigned long long>(result.hash),
                  static_cast<unsigned long long>(result.events), static_cast<unsigned long long>(result.tasks),
                  static_cast<double>(result.virtual_time.count()) / 1e9);
    }
    if (result.failure.empty()) continue;
    ++failed;
    std::printf("%s\n", result.failure.c_str());
    if (!keep_going && !trace) std::printf("%s", result.trace.c_str());
    if (!keep_going) break;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%llu seeds, %llu failed, %llu tasks, %llu attempts, %llu events, %.2f s: %.0f seeds/s\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(tasks), static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(events), seconds, static_cast<double>(done) / seconds);
  return failed == 0 ? 0 : 1;
}
