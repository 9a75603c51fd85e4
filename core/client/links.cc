#include "core/client/links.h"

#include <algorithm>

#include "core/client/local_runner.h"
#include "core/net/spin.h"

namespace manta::client {

// --- results

bool Links::drain() {
  bool progress = false;
  net::Doorbell& bell = state_.slot.replies;
  if (bell.ready.load(std::memory_order_relaxed) != 0) {
    for (std::uint64_t bits = bell.take(); bits != 0; bits &= bits - 1) {
      for (RingLink* link : groups_[static_cast<std::size_t>(__builtin_ctzll(bits))]) link->poll(active_);
    }
  }
  for (std::size_t i = 0; i < active_.size(); ++i) {  // grows while results cause pushes
    RingLink& link = *active_[i];
    owner::Outcome outcome;
    while (owner::Entry* entry = link.pop_finished(outcome)) {
      state_.owner->finished(*entry, std::move(outcome));
      outcome = {};
      progress = true;
    }
    if (changed(link)) state_.owner->leases().set_blocked(link.lease, link.worker_blocked());
  }
  return progress;
}

bool Links::prepare_sleep() {
  bool quiet = true;
  std::erase_if(active_, [&](RingLink* link) MANTA_REQUIRES(owner_mutex) {
    // A worker's waiting may have changed since the last look; from now on it rings.
    quiet = quiet && link->stop_looking() && !changed(*link);
    if (quiet) link->active = false;
    return quiet;
  });
  return quiet;
}

bool Links::waits_for_this_cpu() {
  const std::uint32_t here = net::this_cpu();
  state_.slot.replies.look_from(here);
  return std::any_of(active_.begin(), active_.end(), [&](RingLink* link) { return link->waits_for_cpu(here); });
}

// --- links

owner::WorkerLink* Links::to(ClientId worker) {
  if (LocalRunner* local = state_.local) return local->link_to(worker);
  if (on_other_node(state_, worker)) return &message_link(worker);
  const auto it = rings_.find(worker);
  if (it != rings_.end()) return it->second.get();
  node_.send(net::RequestRing{worker});
  return nullptr;
}

MessageLink& Links::message_link(ClientId worker) {
  auto& link = messages_[worker];
  if (!link) link = std::make_unique<MessageLink>(self_of(state_), worker, context_);
  return *link;
}

RingLink* Links::open_ring(ClientId worker, std::uint32_t worker_slot, std::vector<Fd>& descriptors) {
  if (descriptors.size() != 2 || worker_slot >= net::NodePage::kSlots) return nullptr;
  context_.arena_arrived(worker, std::move(descriptors[1]));
  auto ring = net::RingMemory::attach(descriptors[0].get());
  if (!ring) return nullptr;
  const RingLink::Ends ends{self_of(state_), worker};
  auto link = std::make_unique<RingLink>(ends, **ring, state_.page.slots[worker_slot], active_, context_);
  (void)link->stop_looking();  // CLIENT-2: what is pushed first may be pushed while the threads that wait sleep
  groups_[net::group_of(worker)].push_back(link.get());
  return (rings_[worker] = std::move(link)).get();
}

void Links::granted(const net::Granted& granted, std::vector<Fd>& descriptors) {
  if (LocalRunner* local = state_.local) return give(granted, local->granted(granted));
  const bool actor = granted.shape >= owner::kFirstActor;
  const auto cpus = [&]() MANTA_REQUIRES(owner_mutex) {
    const auto shape = static_cast<owner::ShapeIndex>(granted.shape);
    return static_cast<std::uint32_t>(state_.owner->leases().request_of(shape).cpus.units());
  };
  if (on_other_node(state_, granted.worker)) {
    MessageLink& link = message_link(granted.worker);
    link.lease = granted.lease;
    if (!actor) link.task_cpus = cpus();
    return give(granted, link);
  }
  if (granted.new_ring && !rings_.contains(granted.worker))
    (void)open_ring(granted.worker, granted.worker_slot, descriptors);
  const auto it = rings_.find(granted.worker);
  if (it == rings_.end()) {
    state_.owner->infeasible(granted.shape,
                             "this process cannot map the memory that it shares with a worker; raise ulimit -v "
                             "or ulimit -n");
    return node_.send(net::ReturnLease{granted.lease});
  }
  it->second->lease = granted.lease;
  if (!actor) it->second->set_task_cpus(cpus());
  give(granted, *it->second);
}

void Links::give(const net::Granted& granted, owner::WorkerLink& link) {
  if (granted.shape >= owner::kFirstActor) {
    state_.owner->actors().granted(granted.shape, granted.lease, granted.worker, link);
  } else {
    const auto shape = static_cast<owner::ShapeIndex>(granted.shape);
    state_.owner->leases().granted(granted.lease, granted.worker, shape, link);
  }
}

// Without descriptors the worker is dead: its actor's owner will say where the actor is next.
void Links::ring_arrived(const net::RingTo& message, std::vector<Fd>& descriptors) {
  const auto it = rings_.find(message.worker);
  RingLink* link = it != rings_.end() ? it->second.get() : open_ring(message.worker, message.worker_slot, descriptors);
  if (link != nullptr) state_.owner->actors().link_opened(message.worker, *link);
}

void Links::lease_returned(LeaseId lease) {
  if (LocalRunner* local = state_.local) return local->lease_returned(lease);
  for (const auto& [worker, link] : rings_) {
    if (link->lease == lease) link->lease = {};
  }
  for (const auto& [worker, link] : messages_) {
    if (link->lease == lease) link->lease = {};
  }
}

void Links::lease_ended(LeaseId lease, const std::string& status) {
  if (LocalRunner* local = state_.local) return local->lease_ended(lease, status);
  for (const auto& [worker, link] : messages_) {
    if (link->lease != lease) continue;
    link->lose();
    link->lease = {};
  }
  state_.owner->lease_ended(lease, status);
}

void Links::worker_died(ClientId worker, const std::string& status) {
  const auto it = messages_.find(worker);
  if (it == messages_.end()) return;
  it->second->lose();
  if (it->second->lease) lease_ended(it->second->lease, status);
}

void Links::forget(ClientId worker) {
  messages_.erase(worker);
  const auto it = rings_.find(worker);
  if (it == rings_.end()) return;
  std::erase(active_, it->second.get());
  std::erase(groups_[net::group_of(worker)], it->second.get());
  rings_.erase(it);
}

void Links::clear() {
  if (LocalRunner* local = state_.local) local->clear();
  active_.clear();
  for (auto& group : groups_) group.clear();
  rings_.clear();
  messages_.clear();
}

// --- workers on other nodes

void Links::done(ClientId worker, const net::TaskDone& done) {
  const auto it = messages_.find(worker);
  if (it == messages_.end()) return;
  owner::Outcome outcome;
  if (owner::Entry* entry = it->second->finished(done, outcome)) state_.owner->finished(*entry, std::move(outcome));
}

void Links::returned(ClientId worker, const net::TasksReturned& tasks) {
  const auto it = messages_.find(worker);
  if (it == messages_.end()) return;
  MessageLink& link = *it->second;
  link.answered();
  // The newest first, each to the front: the order is kept.
  for (auto position = tasks.positions.rbegin(); position != tasks.positions.rend(); ++position) {
    if (owner::Entry* entry = link.returned(*position)) state_.owner->leases().came_back(*entry);
  }
}

void Links::began(ClientId worker, const net::TaskBegan& task) {
  const auto it = messages_.find(worker);
  if (it != messages_.end()) it->second->began(task.position);
}

void Links::blocked(ClientId worker, bool blocked) {
  const auto it = messages_.find(worker);
  if (it != messages_.end() && it->second->lease) state_.owner->leases().set_blocked(it->second->lease, blocked);
}

}  // namespace manta::client
