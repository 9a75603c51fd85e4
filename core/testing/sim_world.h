// What all parts of one simulation share, and the knobs of a run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/sched/resources.h"
#include "core/testing/sim_network.h"
#include "core/testing/sim_oracle.h"
#include "core/testing/sim_random.h"
#include "core/testing/sim_schedule.h"
#include "core/testing/sim_trace.h"
#include "core/testing/sim_value.h"

namespace manta::sim {

class SimNode;
class SimProcess;

// Everything that a seed decides before the first event. Tests may set fields to force a situation.
struct SimOptions {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 1;
  std::uint32_t drivers = 1;
  std::uint32_t tasks = 100;  // submits in the whole run, about
  std::uint32_t depth = 3;    // tasks submit tasks down to this depth
  std::uint32_t fan_out = 3;  // children that a task submits at once, at most
  std::uint32_t ring_capacity = 64;
  std::uint32_t max_in_flight = 1024;
  std::uint32_t max_retries = 3;  // drawn up to this; -1 now and then
  std::uint32_t actors = 0;       // in the whole run, about
  std::uint32_t calls = 0;        // of their methods
  std::uint32_t cancels = 0;      // percent of what programs do
  std::uint32_t warm_workers = 0;
  std::uint32_t max_workers = 200;
  Time idle_worker_life = std::chrono::seconds(5);
  Time network_delay = std::chrono::microseconds(500);
  Time release_delay = std::chrono::microseconds(50);  // between a count's fall to 0 and release_last
  Time longest_task = std::chrono::milliseconds(2);
  Time owner_tick = std::chrono::milliseconds(5);
  std::uint32_t idle_ticks = 4;  // a lease without work is returned after so many
  std::uint32_t cpus = 2;        // of each node
  std::uint32_t gpus = 0;
  std::uint32_t licenses = 1;      // a resource of the user's
  std::uint32_t worker_kills = 0;  // how many in the run, at random times
  std::uint32_t driver_kills = 0;
  std::uint32_t machine_deaths = 0;
  std::uint32_t daemon_deaths = 0;                  // workers go with it, drivers stay
  std::uint32_t stalls = 0;                         // a machine is cut off and taken for dead
  std::uint32_t start_failures = 0;                 // percent of worker starts
  Time chaos_end = std::chrono::milliseconds(100);  // the above happen before

  static SimOptions from_seed(std::uint64_t seed);
};

// A resource shape that programs may ask for.
struct RequestShape {
  sched::ResourceSet request;
  bool cpu_only = true;  // a task that waits while it holds more than CPUs can be a deadlock of the user's making
};

struct World {
  World(const SimOptions& options, SimNetwork::Deliver deliver);
  ~World();
  World(const World&) = delete;

  SimOptions options;
  Random random;  // of the environment; every task's program has its own
  Schedule schedule;
  Trace trace;
  SimStore store;
  Oracle oracle;
  SimNetwork network;
  std::vector<RequestShape> shapes;
  std::uint32_t tasks_left;
  std::uint32_t actors_left;
  std::uint32_t calls_left;
  std::set<NodeId> known_nodes;  // to the head, which announces the death of no others
  bool winding_down = false;     // programs submit no more and drop what they kept

  // By id: the order of everything that walks them.
  std::map<NodeId, std::unique_ptr<SimNode>> nodes;
  std::map<ClientId, std::unique_ptr<SimProcess>> processes;  // dead ones too

  Time now() const { return schedule.now(); }
  // Uniform in [0, longest].
  Time random_time(Time longest) {
    return Time(static_cast<Time::rep>(random.next() % (static_cast<std::uint64_t>(longest.count()) + 1)));
  }
  SimProcess* find(ClientId client) const;  // null if it never was
  SimNode* find(NodeId node) const;
};

}  // namespace manta::sim
