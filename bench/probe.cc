// A fixed amount of work, for perf, strace and callgrind: `manta_bench probe NAME COUNT`.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <manta/manta.h>

#include "bench/areas.h"
#include "bench/task_work.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

namespace manta::bench {

namespace {

int zero_worker() {
  CALLGRIND_ZERO_STATS;
  return 0;
}

int dump_worker() {
  CALLGRIND_DUMP_STATS_AT("worker");
  return 0;
}

// Under callgrind: what body costs, after a warm-up, here and in the one worker (instructions.sh). Else just runs it.
template <class Body>
void counted(long calls, Body&& body) {
  for (int i = 0; i < 3; ++i) body();
  (void)get(remote<zero_worker>());
  CALLGRIND_ZERO_STATS;
  for (long i = 0; i < calls; ++i) body();
  CALLGRIND_DUMP_STATS_AT("driver");
  (void)get(remote<dump_worker>());
}

}  // namespace

void run_probe(Harness& harness, const std::string& name, long count) {
  const Runtime runtime = harness.start();
  if (name == "sync") {
    counted(count, one_task);
  } else if (name == "async") {
    counted(count / kBatch, [] { submit_and_get(kBatch); });
  } else if (name == "wait") {
    counted(count / kBatch, wait_one_at_a_time);
  } else if (name == "clients") {
    counted(count / (kClients * kTasksOfClient), [] { (void)four_clients(); });
  } else if (name == "growth") {
    std::printf("%.6f\n", many_tasks(static_cast<int>(count)).growth_mib);
  } else {
    throw std::runtime_error("no probe is called " + name);
  }
}

}  // namespace manta::bench
