#include "core/testing/sim_cluster.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/testing/sim_node.h"
#include "core/testing/sim_process.h"

namespace manta::sim {

namespace {

constexpr Time kSupervise = std::chrono::milliseconds(2);
constexpr Time kProgramsDeadline = std::chrono::seconds(60);
constexpr Time kQuietDeadline = std::chrono::seconds(20);
constexpr std::uint64_t kSweepEvery = 128;  // events

}  // namespace

World::World(const SimOptions& o, SimNetwork::Deliver deliver)
    : options(o),
      random(o.seed),
      oracle(trace, store),
      network(schedule, random, o.network_delay, std::move(deliver)),
      tasks_left(o.tasks),
      actors_left(o.actors),
      calls_left(o.calls) {}

World::~World() = default;

SimProcess* World::find(ClientId client) const {
  const auto it = processes.find(client);
  return it == processes.end() ? nullptr : it->second.get();
}

SimNode* World::find(NodeId node) const {
  const auto it = nodes.find(node);
  return it == nodes.end() ? nullptr : it->second.get();
}

SimCluster::SimCluster(const SimOptions& options)
    : world_(options, [this](Address from, Address to, Message message) { deliver(from, to, std::move(message)); }) {
  head::HeadConfig config;
  config.heartbeat_timeout = kHeartbeatTimeout;
  head_ = std::make_unique<head::Head>(config, *this);
}

SimCluster::~SimCluster() = default;

SimResult SimCluster::run() {
  make_shapes();
  make_nodes();
  plan_chaos();
  stage_deadline_ = kProgramsDeadline;
  world_.schedule.after(kSupervise, [this] { supervise(); });
  while (stage_ != Stage::over && !world_.oracle.failed()) {
    world_.trace.set_time(world_.schedule.next_at());
    if (!world_.schedule.run_one()) {
      world_.oracle.fail("nothing is left to happen, and not all has ended");
    }
    if (++events_ % kSweepEvery == 0) sweep();
  }
  SimResult result;
  if (world_.oracle.failed()) {
    result.failure = "seed " + std::to_string(world_.options.seed) + ": " + world_.oracle.failure();
    result.trace = world_.trace.last(50);
  }
  result.hash = world_.trace.hash();
  result.events = events_;
  result.tasks = world_.oracle.tasks();
  result.runs = world_.oracle.runs();
  result.calls = world_.oracle.calls();
  result.cancels = world_.oracle.cancels();
  result.virtual_time = world_.now();
  return result;
}

void SimCluster::sweep() {
  world_.oracle.next_sweep();
  for (const auto& [id, process] : world_.processes) process->sweep();
}

// --- messages

void SimCluster::deliver(Address from, Address to, Message message) {
  if (to == kHead) return deliver_to_head(from, message);
  if (is_node(to)) return world_.find(node_of(to))->deliver(from, std::move(message));
  SimProcess* process = world_.find(client_of(to));
  if (!world_.oracle.alive(process->id()) || !world_.find(node_of(to))->alive()) return;
  process->deliver(std::move(message));
}

void SimCluster::deliver_to_head(Address from, const Message& message) {
  const NodeId node = node_of(from);
  std::visit(Overloaded{
                 [&](const message::NodeJoined& m) {
                   world_.known_nodes.insert(node);
                   if (!head_->node_joined(node, m.total, "host", world_.now())) {
                     world_.oracle.fail("HEAD: a fresh node was refused");
                   }
                 },
                 [&](const message::Heartbeat&) { head_->heartbeat(node, world_.now()); },
                 [&](const message::ClientJoined& m) {
                   const auto joined = head_->client_joined(m.client, node, m.kind, world_.now());
                   if (!joined && joined.error().code() != ErrorCode::unavailable) {
                     world_.oracle.fail("HEAD: a fresh client was refused: " + joined.error().message());
                   }
                 },
                 [&](const message::ClientLeft& m) { head_->client_left(m.client, m.status, world_.now()); },
                 [&](const auto&) { world_.oracle.fail("the head got a message that is not for it"); },
             },
             message);
  if (std::string broken = head_->check_invariants(); !broken.empty()) world_.oracle.fail(broken);
  tick_head();
}

void SimCluster::tick_head() {
  const Time next = head_->tick(world_.now());
  if (next >= head_tick_at_ || next == Time::max()) return;
  head_tick_at_ = std::max(next, world_.now() + Time(1));
  world_.schedule.at(head_tick_at_, [this, at = head_tick_at_] {
    if (head_tick_at_ != at) return;
    head_tick_at_ = Time::max();
    tick_head();
  });
}

void SimCluster::announce_client_death(NodeId to, ClientId client, const std::string& status) {
  world_.trace.record("head tells %c that %c died", address_of(to), client);
  if (declared_dead_.contains(to)) world_.oracle.fail("HEAD-2: a death is announced to a dead node");
  if (declared_dead_.contains(node_of(client))) world_.oracle.fail("HEAD-3: a client's death comes after its node's");
  if (!announced_.insert({to, client}).second) world_.oracle.fail("HEAD-2: a death is announced twice");
  world_.network.send(kHead, address_of(to), message::ClientDeath{client, status});
}

void SimCluster::announce_node_death(NodeId to, NodeId dead, const std::string&) {
  world_.trace.record("head tells %c that %c died", address_of(to), address_of(dead));
  declared_dead_.insert(dead);
  world_.oracle.cut_off(dead);
  world_.network.send(kHead, address_of(to), message::NodeDeath{dead});
}

void SimCluster::end_job(NodeId to, ClientId driver) {
  if (!ended_jobs_.insert({to, driver}).second) world_.oracle.fail("HEAD-4: a job ends twice");
  world_.network.send(kHead, address_of(to), message::EndJob{driver});
}

// --- the end

bool SimCluster::programs_ended() const {
  return std::all_of(world_.processes.begin(), world_.processes.end(), [](const auto& entry) {
    const SimProcess& process = *entry.second;
    return !process.alive() || (process.program_ended() && process.owner_unfinished() == 0);
  });
}

std::string SimCluster::why_running() const {
  for (const auto& [id, process] : world_.processes) {
    if (process->alive() && !process->program_ended()) return process->why_not_quiet();
  }
  for (const auto& [id, process] : world_.processes) {
    if (process->owner_unfinished() > 0) return process->why_not_quiet();
  }
  return "not all that is to go wrong has gone wrong";
}

std::string SimCluster::why_not_quiet() const {
  for (const auto& [id, process] : world_.processes) {
    if (std::string why = process->why_not_quiet(); !why.empty()) return why;
  }
  for (const auto& [id, node] : world_.nodes) {
    if (std::string why = node->why_not_quiet(); !why.empty()) return why;
  }
  return {};
}

// From stage to stage: programs end; what they kept is dropped, and all comes to rest; drivers leave, nothing stays.
void SimCluster::supervise() {
  std::string why;
  switch (stage_) {
    case Stage::programs:
      if (programs_ended() && world_.now() > world_.options.chaos_end) {
        stage_ = Stage::winding_down;
        world_.winding_down = true;
        for (const auto& [id, process] : world_.processes) {
          if (process->alive()) process->wind_down();
        }
        stage_deadline_ = world_.now() + kQuietDeadline;
      } else {
        why = why_running();
      }
      break;
    case Stage::winding_down:
      why = why_not_quiet();
      if (!why.empty()) {
        for (const auto& [id, process] : world_.processes) {
          if (process->alive()) process->wind_down();
        }
        break;
      }
      stage_ = Stage::leaving;
      for (const auto& [id, process] : world_.processes) {
        if (process->role() == SimProcess::Role::driver) process->end("left in order");
      }
      stage_deadline_ = world_.now() + kQuietDeadline;
      break;
    case Stage::leaving:
      why = why_not_quiet();
      if (!why.empty()) break;
      stage_ = Stage::over;
      if (std::string broken = final_checks(); !broken.empty()) world_.oracle.fail(broken);
      return;
    case Stage::over:
      return;
  }
  if (!why.empty() && world_.now() > stage_deadline_) {
    return world_.oracle.fail(why + ", and nothing comes of it");
  }
  world_.schedule.after(kSupervise, [this] { supervise(); });
}

std::string SimCluster::final_checks() {
  for (const ClientId owner : world_.store.left()) {
    // A machine that is cut off may not have ended itself yet.
    const bool standby = owner::is_standby(owner) && world_.find(node_of(owner))->alive();
    if ((!standby && !world_.oracle.reachable(owner)) || world_.oracle.tolerates_leaks()) continue;
    return "OWN-3: a block of the store was never freed by " + name_of_client(owner.value);
  }
  for (const auto& [id, process] : world_.processes) {
    if (!process->alive() || process->role() != SimProcess::Role::worker) continue;
    if (!world_.oracle.reachable(id)) continue;
    if (process->kept_alive() && !world_.oracle.tolerates_leaks())
      return "OWN-3: a worker without objects is still kept alive";
  }
  return {};
}

}  // namespace manta::sim
