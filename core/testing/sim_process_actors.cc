// Actors of a simulated process: made, called and killed by its programs; links to those of others.
#include <utility>

#include "core/testing/sim_doubt.h"
#include "core/testing/sim_process.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

// --- for programs

Variable SimProcess::create_actor(owner::NewActor actor) {
  owner::NewTask& constructor = actor.constructor;
  Payload payload{0, constructor.id, {}};
  for (owner::Entry* entry : constructor.contained) payload.refs.push_back(export_ref(*entry));
  constructor.arguments = encode(payload, world_.store, {});
  const ObjectId id = constructor.id;
  world_.trace.record("%c creates actor %o, restarts %u, retries %u", id_, id,
                      static_cast<std::uint64_t>(actor.limits.max_restarts),
                      static_cast<std::uint64_t>(actor.limits.max_task_retries));
  const std::uint64_t number = world_.oracle.created({id_, id}, actor.limits, !constructor.references.empty());
  submitting_ = {id, number};
  owner::Entry* entry = owner_->actors().create(std::move(actor));
  submitting_ = {};
  tasks_[entry] = number;
  world_.oracle.made(number, entry);
  const Variable handle = adopt(entry);
  if (orphaned_) fail_open_work();
  return handle;
}

// Rings do not reach other machines.
bool SimProcess::can_call(const Variable& handle) const {
  return handle.actor && node_of(handle.key.owner) == node_of(id_);
}

Variable SimProcess::call(const Variable& handle, owner::NewTask task) {
  Payload payload{0, task.id, {}};
  for (owner::Entry* entry : task.contained) payload.refs.push_back(export_ref(*entry));
  task.arguments = encode(payload, world_.store, {});
  const TaskId id = task.id;
  world_.trace.record("%c calls %o of actor %o", id_, id, handle.key.id);
  const std::uint64_t number = world_.oracle.called({id_, id}, handle.name());
  world_.oracle.submitted_by(number, executor_.run());
  auto& ids = references_[number];
  for (const owner::Entry* reference : task.references) ids.push_back(reference->id);
  submitting_ = {id, number};
  owner::Entry* entry = owner_->actors().call(*handle.entry, std::move(task));
  submitting_ = {};
  tasks_[entry] = number;
  world_.oracle.made(number, entry);
  if (entry->resolved.load()) world_.oracle.resolved(number, *entry, excused(*entry, number));
  const Variable result = adopt(entry);
  if (orphaned_) fail_open_work();
  return result;
}

void SimProcess::kill_actor(const Variable& handle, bool restart) {
  world_.trace.record("%c kills actor %o, restart %u", id_, handle.key.id, restart);
  world_.oracle.killed(handle.name());
  drain({});
  owner_->actors().kill(*handle.entry, restart);
  if (orphaned_) fail_open_work();
}

// --- what arrives

void SimProcess::on_ring(const message::RingTo& message) {
  const auto it = links_.find(message.worker);
  if (it == links_.end() && message.ring) {
    // The worker may be dead by now: the same node announces that later.
    message.ring->submitter_edge = this;
    links_[message.worker] = message.ring;
    owner_->actors().link_opened(message.worker, *message.ring);
  } else if (it != links_.end()) {
    owner_->actors().link_opened(message.worker, *it->second);
  }
}

void SimProcess::on_death(const message::ClientDied& death) {
  world_.trace.record("%c hears that %c died", id_, death.client);
  drain(death.client);
  owner_->client_died(death.client, death.status);
  if (world_.random.chance(10)) owner_->client_died(death.client, death.status);  // OWN-6
  if (const auto it = links_.find(death.client); it != links_.end()) {
    if (!it->second->idle()) world_.oracle.fail("OWN-1: calls left in the ring of a dead worker");
    it->second->submitter_edge = nullptr;
    links_.erase(it);
  }
  // Only rings of the actor's callers: the node closes the ring of the process that leased this worker.
  for (const auto& ring : rings_in_) {
    if (ring->submitter == death.client && !ring->lease) ring->closed = true;
  }
  std::erase_if(rings_in_, [&](const auto& ring) { return ring->submitter == death.client && !ring->lease; });
  if (executor_.hosts_actor_of(death.client)) executor_.end_actor();
}

// --- rings

std::vector<std::shared_ptr<SimRing>> SimProcess::all_rings_out() const {
  std::vector<std::shared_ptr<SimRing>> rings;
  for (const auto& [lease, ring] : rings_out_) rings.push_back(ring);
  for (const auto& [worker, ring] : links_) rings.push_back(ring);
  return rings;
}

void SimProcess::forget_rings() {
  for (const auto& ring : all_rings_out()) ring->submitter_edge = nullptr;
  rings_out_.clear();
  links_.clear();
}

// --- what the owner does

// The worker is doomed from here on: no process covers the constructor's references any more.
void SimProcess::kill_worker(LeaseId lease) {
  const auto it = rings_out_.find(lease);
  if (it == rings_out_.end()) return world_.oracle.fail("OWN-5: the worker of a lease is killed that is not held");
  world_.oracle.doom(it->second->worker);
  SimProcess* worker = world_.find(it->second->worker);
  if (worker->alive()) doubt_what_it_covered(world_, *worker);
  send_to_node(message::KillWorker{lease});
}

owner::WorkerLink* SimProcess::link_to(ClientId worker) {
  const auto it = links_.find(worker);
  if (it != links_.end()) return it->second.get();
  send_to_node(message::RequestRing{worker});
  return nullptr;
}

void SimProcess::drop_name(const std::string&, const ObjectId&) {}  // they have none

}  // namespace manta::sim
