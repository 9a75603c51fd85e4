// A fixed amount of work, for perf and strace: `manta_bench probe NAME COUNT`.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <manta/manta.h>

#include "bench/areas.h"
#include "bench/task_work.h"

namespace manta::bench {

namespace {

template <class Body>
void repeat(long calls, Body&& body) {
  for (long i = 0; i < calls; ++i) body();
}

}  // namespace

void run_probe(Harness& harness, const std::string& name, long count) {
  const Runtime runtime = harness.start();
  if (name == "sync") {
    repeat(count, one_task);
  } else if (name == "async") {
    repeat(count / kBatch, [] { submit_and_get(kBatch); });
  } else if (name == "wait") {
    repeat(count / kBatch, wait_one_at_a_time);
  } else if (name == "clients") {
    repeat(count / (kClients * kTasksOfClient), [] { (void)four_clients(); });
  } else if (name == "growth") {
    std::printf("%.6f\n", many_tasks(static_cast<int>(count)).growth_mib);
  } else {
    throw std::runtime_error("no probe is called " + name);
  }
}

}  // namespace manta::bench
