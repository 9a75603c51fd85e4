// What a seed decides: the size of the cluster, its programs' habits, and what goes wrong when.
#include <algorithm>
#include <vector>

#include "core/testing/sim_cluster.h"
#include "core/testing/sim_node.h"
#include "core/testing/sim_process.h"

namespace manta::sim {

SimOptions SimOptions::from_seed(std::uint64_t seed) {
  Random r(detail::mix64(seed + 0x51a1));
  SimOptions o;
  o.seed = seed;
  o.nodes = r.chance(55) ? 1 : 1 + static_cast<std::uint32_t>(r.below(3));
  o.drivers = r.chance(50) ? 1 : 1 + static_cast<std::uint32_t>(r.below(3));
  o.tasks = static_cast<std::uint32_t>(r.between(20, 150));
  o.depth = r.chance(10) ? 12 : static_cast<std::uint32_t>(r.between(1, 4));
  o.fan_out = static_cast<std::uint32_t>(r.between(1, 5));
  constexpr std::uint32_t kCapacities[] = {1, 2, 4, 16, 64};
  o.ring_capacity = kCapacities[r.below(5)];
  o.max_in_flight = r.chance(50) ? 1024 : kCapacities[r.below(4)];
  o.max_retries = static_cast<std::uint32_t>(r.below(4));
  o.warm_workers = static_cast<std::uint32_t>(r.below(3));
  o.idle_worker_life = r.chance(30) ? Time(std::chrono::milliseconds(20)) : Time(std::chrono::seconds(5));
  o.network_delay = std::chrono::microseconds(r.chance(20) ? 5000 : 500);
  o.release_delay = std::chrono::microseconds(r.chance(30) ? 2000 : 50);
  o.longest_task = std::chrono::milliseconds(r.chance(20) ? 20 : 2);
  o.owner_tick = std::chrono::milliseconds(r.chance(20) ? 1 : 5);
  o.idle_ticks = static_cast<std::uint32_t>(r.between(2, 6));
  o.cpus = static_cast<std::uint32_t>(r.between(1, 4));
  o.gpus = r.chance(40) ? static_cast<std::uint32_t>(r.between(1, 2)) : 0;
  o.licenses = static_cast<std::uint32_t>(r.between(1, 2));
  if (r.chance(65)) o.worker_kills = static_cast<std::uint32_t>(r.below(13));
  if (o.drivers > 1 && r.chance(25)) o.driver_kills = 1;
  if (o.nodes > 1 && r.chance(25)) o.machine_deaths = 1;
  if (r.chance(4)) o.daemon_deaths = 1;
  if (o.nodes > 1 && r.chance(10)) o.stalls = 1;
  if (r.chance(15)) o.start_failures = static_cast<std::uint32_t>(r.between(5, 40));
  o.chaos_end = std::chrono::milliseconds(r.between(10, 150));
  if (r.chance(60)) {
    o.actors = static_cast<std::uint32_t>(r.between(1, 12));
    o.calls = static_cast<std::uint32_t>(r.between(10, 120));
  }
  return o;
}

void SimCluster::make_shapes() {
  using sched::Amount;
  const auto cpus = [](std::int64_t units) {
    sched::ResourceSet set;
    set.cpus = Amount::from_units(units);
    return set;
  };
  auto& shapes = world_.shapes;
  shapes.push_back({cpus(10'000), true});
  shapes.push_back({cpus(5'000), true});
  shapes.push_back({cpus(0), true});
  if (world_.options.cpus >= 2) shapes.push_back({cpus(20'000), true});
  sched::ResourceSet licensed = cpus(5'000);
  licensed.named.push_back({"license", Amount::from_units(10'000)});
  shapes.push_back({licensed, false});
  sched::ResourceSet memory = cpus(2'500);
  memory.memory_bytes = 3 << 20;
  shapes.push_back({memory, false});
  if (world_.options.gpus > 0) {
    sched::ResourceSet gpu = cpus(0);
    gpu.gpus = Amount::from_units(10'000);
    shapes.push_back({gpu, false});
    gpu.gpus = Amount::from_units(3'333);
    shapes.push_back({gpu, false});
  }
  if (world_.random.chance(30)) shapes.push_back({cpus(1'000'000), true});  // nowhere
  // Drawn apart, so that the other seeds go on as they did before there were such shapes.
  if (Random(detail::mix64(world_.options.seed) ^ 0x656e76).chance(30)) {
    sched::ResourceSet own = cpus(5'000);
    for (const char* env : {"A=1", "A=2"}) {
      own.env = std::string(env) + '\0';
      shapes.push_back({own, true});
    }
  }
  if (Random(detail::mix64(world_.options.seed) ^ 0x7072696f).chance(30)) {
    for (const std::int16_t priority : {-5, 10}) {
      sched::ResourceSet urgent = cpus(10'000);
      urgent.priority = priority;
      shapes.push_back({urgent, true});
    }
  }
}

void SimCluster::make_nodes() {
  sched::ResourceSet total;
  total.cpus = sched::Amount::from_units(world_.options.cpus * 10'000);
  total.gpus = sched::Amount::from_units(world_.options.gpus * 10'000);
  total.memory_bytes = 8 << 20;
  total.named.push_back({"license", sched::Amount::from_units(world_.options.licenses * 10'000)});
  for (std::uint64_t n = 1; n <= world_.options.nodes; ++n) {
    auto node = std::make_unique<SimNode>(world_, NodeId{n});
    SimNode& added = *node;
    world_.nodes.emplace(NodeId{n}, std::move(node));
    added.start(total);
  }
  for (std::uint64_t n = 1; n <= world_.options.drivers; ++n) {
    const std::uint64_t node = 1 + world_.random.below(world_.options.nodes);
    const ClientId id{(node << kNodeShift) + kFirstDriver + n};
    auto driver = std::make_unique<SimProcess>(world_, id, SimProcess::Role::driver);
    driver->start();
    world_.processes.emplace(id, std::move(driver));
  }
}

void SimCluster::plan_chaos() {
  const SimOptions& o = world_.options;
  const auto plan = [&](std::uint32_t count, auto action) {
    for (std::uint32_t i = 0; i < count; ++i) world_.schedule.at(world_.random_time(o.chaos_end), action);
  };
  plan(o.worker_kills, [this] { kill_some(true); });
  plan(o.driver_kills, [this] { kill_some(false); });
  plan(o.machine_deaths, [this] { end_some_machine(true); });
  plan(o.daemon_deaths, [this] { end_some_machine(false); });
  plan(o.stalls, [this] { stall_some_machine(); });
}

void SimCluster::kill_some(bool worker) {
  std::vector<SimProcess*> candidates;
  for (const auto& [id, process] : world_.processes) {
    if (!process->alive() || (process->role() == SimProcess::Role::worker) != worker) continue;
    candidates.push_back(process.get());
    if (process->executor().hosts_actor()) candidates.insert(candidates.end(), 2, process.get());
    if (!process->program_ended()) candidates.insert(candidates.end(), 3, process.get());  // rather in the middle
  }
  if (candidates.empty()) return;
  SimProcess* victim = candidates[world_.random.below(candidates.size())];
  world_.trace.record("%c is killed", victim->id());
  victim->end("killed by signal 9 (SIGKILL)");
}

NodeId SimCluster::some_live_node() {
  std::vector<NodeId> live;
  for (const auto& [id, node] : world_.nodes) {
    if (node->alive()) live.push_back(id);
  }
  return live.empty() ? NodeId{} : live[world_.random.below(live.size())];
}

void SimCluster::end_some_machine(bool whole) {
  const NodeId id = some_live_node();
  if (!id) return;
  world_.find(id)->die(whole);
  if (world_.random.chance(50)) return;  // the head finds out by itself
  world_.schedule.after(world_.random_time(std::chrono::milliseconds(5)),
                        [this, id] { head_->node_left(id, "its connection broke", world_.now()); });
}

// Cut off from the others: too briefly to be noticed, or for so long that the head gives it up. Then it ends itself: a
// machine whose heartbeats are not answered for the time-out counts itself as dead.
void SimCluster::stall_some_machine() {
  const NodeId id = some_live_node();
  if (!id) return;
  const bool fatal = world_.random.chance(60);
  const Time until = world_.now() + (fatal ? 2 * kHeartbeatTimeout + world_.random_time(kHeartbeatTimeout)
                                           : world_.random_time(kHeartbeatTimeout / 2));
  world_.trace.record("%c is cut off", address_of(id));
  world_.network.stall(id, until);
  if (fatal) {
    world_.schedule.at(until, [this, id] { world_.find(id)->die(true); });
  }
}

}  // namespace manta::sim
