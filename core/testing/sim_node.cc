#include "core/testing/sim_node.h"

#include <algorithm>
#include <utility>

#include "core/testing/sim_doubt.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

constexpr Time kHeartbeat = std::chrono::milliseconds(10);

}  // namespace

SimNode::SimNode(World& world, NodeId id) : world_(world), id_(id), round_call_(round_call_edge()) {}
SimNode::~SimNode() = default;

void SimNode::start(const sched::ResourceSet& total) {
  sched::NodeSchedulerConfig config;
  config.total = total;
  config.first_client_id = (id_.value << kNodeShift) + 1;
  config.max_workers = world_.options.max_workers;
  config.warm_workers = world_.options.warm_workers;
  config.idle_worker_life = world_.options.idle_worker_life;
  config.close_ring_grace = std::chrono::milliseconds(200);
  scheduler_ = std::make_unique<sched::NodeScheduler>(std::move(config), *this);
  standby_owners_ = std::make_unique<owner::StandbyOwners>(*this);
  world_.network.send(address_of(id_), kHead, message::NodeJoined{total});
  scheduler_->start(world_.now());
  heartbeat();
  after_event();
}

void SimNode::heartbeat() {
  if (!alive()) return;
  world_.network.send(address_of(id_), kHead, message::Heartbeat{});
  world_.schedule.after(kHeartbeat, [this] { heartbeat(); });
}

void SimNode::die(bool whole_machine) {
  if (!alive()) return;
  world_.trace.record(whole_machine ? Label("%c: the machine stops") : Label("%c: the daemon ends"), address_of(id_));
  world_.oracle.cut_off(id_);
  if (whole_machine) {
    world_.network.machine_died(id_, [this](Address, const Message& message) { doubt_what_was_lost(world_, message); });
  }
  for (const auto& [client, process] : world_.processes) {
    if (node_of(client) != id_ || !process->alive()) continue;
    if (!whole_machine && process->role() == SimProcess::Role::driver) continue;
    process->end("its machine stopped", false);
  }
  scheduler_.reset();
  standby_owners_.reset();
  if (whole_machine) return;
  for (const auto& [client, process] : world_.processes) {
    if (node_of(client) == id_ && process->alive()) process->orphan();
  }
}

void SimNode::after_event() {
  if (!alive()) return;
  if (std::string broken = scheduler_->check_invariants(); !broken.empty()) world_.oracle.fail(broken);
  if (std::string broken = standby_owners_->check_invariants(); !broken.empty()) world_.oracle.fail(broken);
  const Time next = scheduler_->next_tick();
  if (next >= tick_at_) return;
  tick_at_ = std::max(next, world_.now());
  world_.schedule.at(tick_at_, [this, at = tick_at_] {
    if (!alive() || tick_at_ != at) return;
    tick_at_ = Time::max();
    scheduler_->tick(world_.now());
    after_event();
  });
}

// --- what arrives

void SimNode::deliver(Address from, Message message) {
  if (!alive()) return doubt_what_was_lost(world_, message);
  if (is_node(from) && dead_nodes_.contains(node_of(from))) return doubt_what_was_lost(world_, message);
  if (is_client(from)) {
    from_client(client_of(from), message);
  } else {
    std::visit(Overloaded{
                   [&](message::Peer& m) { route(m.from, m.to, std::move(m)); },
                   [&](message::Mail& m) { route(m.from, m.to, std::move(m)); },
                   [&](message::StopTask& m) { route(m.from, m.to, std::move(m)); },
                   [&](const message::Undeliverable& m) {
                     send(m.to, message::ClientDied{m.client, "is gone"});
                   },
                   [&](const message::ClientDeath& m) { on_client_death(m); },
                   [&](const message::NodeDeath& m) {
                     dead_nodes_.insert(m.node);
                     standby_owners_->node_died(m.node, "was on a machine that stopped");
                     round_call_.node_gone(m.node);
                     for (const ClientId client : clients_) send(client, message::NodeDied{m.node});
                   },
                   [&](const message::Settle& m) {
                     round_call_.asked(node_of(from), m.standby, m.round, {clients_.begin(), clients_.end()});
                   },
                   [&](const message::Settled& m) { round_call_.node_answered(node_of(from), m.standby, m.round); },
                   [&](const message::EndJob&) {},  // its processes left with its driver
                   [&](const auto&) { world_.oracle.fail("a node got a message that is not for nodes"); },
               },
               message);
  }
  after_event();
}

void SimNode::from_client(ClientId client, Message& message) {
  const Time now = world_.now();
  std::visit(Overloaded{
                 [&](const message::Joined&) {
                   clients_.insert(client);
                   for (const NodeId node : dead_nodes_) send(client, message::NodeDied{node});
                   const bool driver = world_.find(client)->role() == SimProcess::Role::driver;
                   driver ? scheduler_->driver_joined(client, now) : scheduler_->worker_started(client, now);
                   world_.network.send(
                       address_of(id_), kHead,
                       message::ClientJoined{client, driver ? head::ClientKind::driver : head::ClientKind::worker});
                 },
                 [&](const message::SetDemand& m) {
                   requests_[{client, m.shape}] = m.request;
                   scheduler_->set_demand(client, m.shape, m.request, m.wanted, now);
                 },
                 [&](const message::ReturnLease& m) {
                   for (auto it = leases_.begin(); it != leases_.end(); ++it) {
                     if (it->second->lease != m.lease || it->second->submitter != client) continue;
                     send(it->second->worker, message::DropRing{m.lease});
                     leases_.erase(it);
                     break;
                   }
                   scheduler_->return_lease(client, m.lease, now);
                 },
                 [&](const message::Blocked& m) {
                   m.blocked ? scheduler_->blocked(client, now) : scheduler_->unblocked(client, now);
                 },
                 [&](const message::KeepAlive& m) { scheduler_->keep_alive(client, m.keep, now); },
                 [&](const message::RingClosed& m) {
                   const auto it = leases_.find(client);
                   if (it != leases_.end() && it->second->submitter == m.submitter) leases_.erase(it);
                   scheduler_->ring_closed(client, m.submitter, now);
                 },
                 [&](const message::KillWorker& m) {
                   if (const ClientId worker = scheduler_->worker_of(client, m.lease)) kill_worker(worker);
                 },
                 [&](const message::RequestRing& m) { open_ring(client, m.worker); },
                 [&](const message::Exited& m) {
                   world_.trace.record("%c sees that %c has ended", address_of(id_), client);
                   const auto lease = leases_.find(client);
                   const std::shared_ptr<SimRing> ring = lease == leases_.end() ? nullptr : lease->second;
                   leases_.erase(client);
                   gpus_.erase(client);
                   envs_.erase(client);
                   standby_owners_->open(client, m.status);
                   const bool had_joined = clients_.erase(client) == 1;
                   round_call_.client_gone(client);
                   if (had_joined) {
                     world_.network.send(address_of(id_), kHead, message::ClientLeft{client, m.status});
                   }
                   scheduler_->client_left(client, m.status, now);
                   if (ring && clients_.contains(ring->submitter) && last_ended_ != ring->lease) {
                     world_.oracle.fail("SCHED-8: the node does not tell " + name_of_client(ring->submitter.value) +
                                        " that its lease ended with " + name_of_client(client.value));
                   }
                 },
                 [&](message::Replicate& m) { standby_owners_->replicate(client, std::move(m.replicas)); },
                 [&](const message::Withdraw& m) { standby_owners_->withdraw(client, m.objects); },
                 [&](const message::Settled& m) { round_call_.client_answered(client, m.standby, m.round); },
                 [&](message::Peer& m) { route(client, m.to, std::move(m)); },
                 [&](message::Mail& m) { route(client, m.to, std::move(m)); },
                 [&](message::StopTask& m) { route(client, m.to, std::move(m)); },
                 [&](const auto&) { world_.oracle.fail("a node got a message that is not for nodes"); },
             },
             message);
}

// Goes through the receiver's node. Notifies the sender of a dead receiver: it may have joined after the announcement.
void SimNode::route(ClientId from, ClientId to, Message message) {
  const NodeId node = node_of(to);
  if (node == id_ && clients_.contains(to)) return send(to, std::move(message));
  if (node != id_ && !dead_nodes_.contains(node)) {
    return world_.network.send(address_of(id_), address_of(node), std::move(message));
  }
  if (node == id_ && world_.oracle.alive(to))
    return send(to, std::move(message));  // starting, or its death is not announced yet
  if (auto* peer = std::get_if<message::Peer>(&message); peer != nullptr && node == id_) {
    return standby_owners_->receive(from, to, std::move(peer->message));
  }
  if (owner::is_standby(from)) return;
  if (node_of(from) == id_) return send(from, message::ClientDied{to, "is gone"});
  world_.network.send(address_of(id_), address_of(node_of(from)), message::Undeliverable{from, to});
}

void SimNode::open_ring(ClientId caller, ClientId worker) {
  std::shared_ptr<SimRing> ring;
  if (clients_.contains(worker) && links_.emplace(caller, worker).second) {
    world_.trace.record("%c opens a link from %c to %c", address_of(id_), caller, worker);
    ring = std::make_shared<SimRing>(LeaseId{}, caller, worker, sched::ResourceSet{}, world_.options.ring_capacity);
    ring->of_actor = true;
    send(worker, message::OpenRing{ring});
  }
  send(caller, message::RingTo{worker, ring});
}

void SimNode::on_client_death(const message::ClientDeath& death) {
  for (const ClientId client : clients_) send(client, message::ClientDied{death.client, death.status});
  standby_owners_->client_died(death.client, death.status);
  if (node_of(death.client) == id_) standby_owners_->announced(death.client);
}

// --- what the dead left

owner::RoundCallEdge SimNode::round_call_edge() {
  return {[this](ClientId client, ClientId standby, std::uint32_t round) {
            send(client, message::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            world_.network.send(address_of(id_), address_of(node), message::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            world_.network.send(address_of(id_), address_of(node), message::Settled{standby, round});
          },
          [this](ClientId standby, std::uint32_t round) {
            world_.trace.record("%c: round %u for the standby owner of %c is over", address_of(id_), round,
                                owner::primary_of(standby));
            standby_owners_->settled(standby, round);
          }};
}

void SimNode::send_as(ClientId from, ClientId to, owner::PeerMessage message) {
  if (const auto* fetched = std::get_if<owner::Fetched>(&message)) {
    world_.trace.record("%c: the standby owner of %c has %o for %c", address_of(id_), owner::primary_of(from),
                        fetched->object, to);
  }
  route(from, to, message::Peer{from, to, std::move(message), {}});
}

void SimNode::free_block(const owner::StoredLocation& location) {
  // What lies with the dead may be in their arena no more: they tell their standby owners of that late.
  if (!world_.store.free(location) && world_.oracle.alive(location.arena))
    world_.oracle.fail("OWN-3: a block of the store is freed twice, by a standby owner");
}

void SimNode::ask_all(ClientId standby, std::uint32_t round) {
  std::vector<NodeId> others;
  for (const NodeId node : world_.known_nodes) {
    if (node != id_ && !world_.oracle.is_cut_off(node)) others.push_back(node);
  }
  round_call_.start(standby, round, {clients_.begin(), clients_.end()}, others);
}

void SimNode::send(ClientId to, Message message) {
  world_.network.send(address_of(id_), address_of(to), std::move(message));
}

// --- what the scheduler does

void SimNode::start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) {
  world_.trace.record("%c starts %c", address_of(id_), worker);
  auto process = std::make_unique<SimProcess>(world_, worker, SimProcess::Role::worker);
  SimProcess* started = process.get();
  if (!world_.processes.emplace(worker, std::move(process)).second) {
    world_.oracle.fail("SCHED: a worker's id is used twice");
    return;
  }
  gpus_[worker] = gpus;
  envs_[worker] = env;
  const bool fails = world_.random.chance(world_.options.start_failures);
  world_.schedule.after(Time(200'000) + world_.random_time(std::chrono::milliseconds(3)), [started, fails] {
    if (!started->alive()) return;
    fails ? started->end("exited with status 1 before it was up") : started->start();
  });
}

void SimNode::kill_worker(ClientId worker) {
  world_.trace.record("%c kills %c", address_of(id_), worker);
  // Not at once: effects are called in the middle of an event.
  SimProcess* process = world_.find(worker);
  world_.schedule.after(Time(1000), [process] { process->end("killed by signal 9 (SIGKILL)"); });
}

void SimNode::grant(ClientId submitter, const sched::Grant& grant) {
  world_.trace.record("%c grants %l on %c to %c", address_of(id_), grant.lease, grant.worker, submitter);
  const auto held = leases_.find(grant.worker);
  if (held != leases_.end()) {
    world_.oracle.fail("SCHED-2: " + name_of_client(grant.worker.value) + " is leased to " +
                       name_of_client(submitter.value) + " while it is leased to " +
                       name_of_client(held->second->submitter.value));
  }
  const SimProcess* process = world_.find(grant.worker);
  if (process == nullptr) return world_.oracle.fail("SCHED: a lease on a worker that never was");
  auto& started_with = gpus_[grant.worker];
  const bool same = std::equal(started_with.begin(), started_with.end(), grant.gpus.begin(), grant.gpus.end(),
                               [](const auto& a, const auto& b) { return a.index == b.index; });
  if (!same) world_.oracle.fail("SCHED-3: a lease with other GPUs than the worker has seen");
  const sched::ResourceSet& request = requests_[{submitter, grant.shape}];
  if (envs_[grant.worker] != request.env) {
    world_.oracle.fail("SCHED-3: " + name_of_client(grant.worker.value) + " was started with another environment");
  }
  if (!used_.insert(grant.worker).second && request.own_worker) {
    world_.oracle.fail("SCHED: an actor is to live on " + name_of_client(grant.worker.value) + ", which was used");
  }
  auto ring = std::make_shared<SimRing>(grant.lease, submitter, grant.worker, request, world_.options.ring_capacity);
  ring->of_actor = grant.shape >= owner::kFirstActor;
  leases_[grant.worker] = ring;
  send(grant.worker, message::OpenRing{ring});
  send(submitter, message::Granted{grant.lease, grant.worker, grant.shape, ring});
}

void SimNode::lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd, const std::string& status) {
  last_ended_ = lease;
  send(submitter, message::LeaseEnded{lease, status});
}

void SimNode::infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) {
  send(submitter, message::Infeasible{shape, why});
}

void SimNode::ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) {
  send(submitter, message::AskBack{shape, count});
}

void SimNode::close_ring(ClientId worker, ClientId submitter) {
  world_.trace.record("%c closes what %c has from %c", address_of(id_), worker, submitter);
  send(worker, message::CloseRing{submitter});
}

std::string SimNode::why_not_quiet() const {
  if (!alive()) return {};
  const std::string who = "node " + std::to_string(id_.value);
  const std::string left_by_the_dead = standby_owners_->why_open();
  if (!left_by_the_dead.empty() && !world_.oracle.tolerates_leaks()) {
    return "STANDBY-2: " + who + ": " + left_by_the_dead;
  }
  const sched::ResourceSet left = scheduler_->ledger().available();
  for (const auto& [worker, ring] : leases_) {
    if (ring->of_actor && world_.oracle.tolerates_leaks()) continue;  // its handle leaks
    return "OWN-5: " + who + ": " + name_of_client(worker.value) + " is still leased";
  }
  if (left != scheduler_->ledger().total())
    return "SCHED-1: " + who + ": not all resources came back, only " + left.to_string();
  for (const ClientId client : clients_) {
    const std::string why = scheduler_->shortages().why_waiting(client);
    if (!why.empty()) return "OWN-5: " + who + ": " + name_of_client(client.value) + " still waits: " + why;
  }
  return {};
}

}  // namespace manta::sim
