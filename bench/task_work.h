// The work of the task cases, shared with the probes: shapes as in the peer's script, each result checked.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "bench/harness.h"

namespace manta::bench {

constexpr int kBatch = 1000;
constexpr int kClients = 4;
constexpr int kTasksOfClient = 2500;

std::string small_value();

// Submits count tasks, then gets all of them.
void submit_and_get(int count);
// Submits one task and gets its result.
void one_task();

// count tasks at once: until all are submitted, until all results were looked at, and what that added to this process'
// resident memory.
struct ManyTasks {
  Run submit;
  Run all;
  double growth_mib = 0;
};
ManyTasks many_tasks(int count);

// As the peer's: waits for one of those of 1,000 refs that are left, until none is. The peer does not get the values;
// this does, to check them.
void wait_one_at_a_time();

// Four tasks submit 2,500 tasks each and get them. Returns the clients' processes.
std::set<pid_t> four_clients();

}  // namespace manta::bench
