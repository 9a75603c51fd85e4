#include "core/sched/node_scheduler.h"

#include <algorithm>

#include "core/base/planted_bug.h"
#include "core/sched/node_scheduler_check.h"

namespace manta::sched {

namespace {

// Leases are numbered within the node, as clients are: the node's number is in the upper 24 bits.
std::uint64_t first_lease_id(std::uint64_t first_client_id) {
  constexpr std::uint64_t kWithinNode = (std::uint64_t{1} << 40) - 1;
  return (first_client_id & ~kWithinNode) + 1;
}

NodeSchedulerConfig checked(NodeSchedulerConfig config) {
  config.max_workers = std::max(config.max_workers, 1U);
  config.warm_workers = std::min(config.warm_workers, config.max_workers);
  return config;
}

}  // namespace

NodeScheduler::NodeScheduler(NodeSchedulerConfig config, NodeSchedulerEffects& effects)
    : config_(checked(std::move(config))),
      effects_(effects),
      ids_(config_.ids
               ? config_.ids
               : std::make_shared<NextIds>(NextIds{config_.first_client_id, first_lease_id(config_.first_client_id)})),
      ledger_(config_.part ? Ledger::of_part(*config_.part) : Ledger(config_.total)),
      demands_(ledger_.total()),
      pool_(ids_->client),
      leases_(ids_->lease),
      workers_(pool_, demands_,
               {config_.max_workers, config_.warm_workers, config_.idle_worker_life, config_.start_retry},
               config_.submits_elsewhere, effects),
      placing_(ledger_, demands_, pool_, leases_, workers_, effects),
      asking_(ledger_, demands_, pool_, leases_, {config_.max_workers, config_.turn}, effects),
      blocked_watch_(ledger_, demands_.queue(), pool_, leases_, {config_.max_workers, config_.all_blocked_grace}),
      shortages_(ledger_, demands_, pool_, leases_, workers_.failures(), config_.max_workers) {}

void NodeScheduler::serve(Time now) {
  placing_.serve(now);
  asking_.after_serving(now);
  refuse_blocked(now);
  workers_.refill_warm(now);
  asking_.schedule_turn(now);
}

void NodeScheduler::refuse_blocked(Time now) {
  if (!blocked_watch_.overdue(now)) return;
  for (Demand* demand : blocked_watch_.victims()) placing_.refuse(*demand, blocked_watch_.why(), now);
  blocked_watch_.restart(now);
}

void NodeScheduler::worker_started(ClientId id, Time now) {
  Worker* worker = pool_.find(id);
  if (worker == nullptr || worker->state != WorkerState::starting) {
    return;
  }
  workers_.started();
  demands_.join(id);
  placing_.supply(*worker, now);
  serve(now);
}

void NodeScheduler::client_left(ClientId id, const std::string& status, Time now) {
  Worker* worker = pool_.find(id);
  if (worker != nullptr && worker->state == WorkerState::starting) {
    start_failed(*worker, status, now);
    serve(now);
    return;
  }
  if (worker != nullptr) {
    if (Lease* lease = leases_.find(worker->lease)) {
      const LeaseId ended = lease->id;
      const ClientId submitter = lease->submitter;
      // It may have held the lease on itself.
      const bool tell = !lease->closing() && submitter != id && !(planted_bug(3) && lease->demand->asked > 0);
      close_lease(*lease, true, now);
      if (tell) {
        effects_.lease_ended(submitter, ended, LeaseEnd::worker_died, status);
      }
    }
    if (worker->state == WorkerState::idle && !worker->used) {
      workers_.died_unused(now);
    }
    pool_.erase(*worker);
  }
  drop_client(id, now);
  serve(now);
}

void NodeScheduler::start_failed(Worker& worker, const std::string& status, Time now) {
  const Outfit outfit = worker.outfit;
  pool_.erase(worker);
  placing_.start_failed(outfit, now);
  if (!workers_.start_failed(status, now)) return;
  placing_.refuse_unstartable(
      "worker processes cannot be started on this node: " + std::to_string(workers_.failures().in_a_row) +
          " attempts in a row failed, the last with \"" + status + "\"; see the node's log",
      now);
}

void NodeScheduler::set_demand(ClientId submitter, ShapeIndex index, const ResourceSet& request, std::uint32_t wanted,
                               Time now) {
  if (demands_.client(submitter) == nullptr) {
    return;
  }
  Demand* demand = demands_.find(submitter, index);
  if (demand == nullptr) {
    if (wanted == 0) {
      return;
    }
    if (!closed_.empty()) {
      effects_.infeasible(submitter, index, closed_);
      return;
    }
    if (const std::string why = ledger_.why_infeasible(request); !why.empty()) {
      effects_.infeasible(submitter, index,
                          "no worker of this node can ever be given " + request.to_string() + ": " + why +
                              "; ask for less, or add a node that has it");
      return;
    }
    demand = &demands_.add(submitter, index, request);
  } else if (wanted > 0 && demand->shape->request != request) {
    effects_.infeasible(submitter, index,
                        "shape " + std::to_string(index) + " stands for " + demand->shape->request.to_string() +
                            " and cannot ask for " + request.to_string() +
                            " as well; give each shape a number of its own");
    return;
  }
  demands_.set_wanted(*demand, wanted, now);
  placing_.trim(*demand, now);
  demands_.drop_if_unused(*demand);
  serve(now);
  // Serving looked at the first of each shape only. (The demand may be gone by now: withdrawn, or refused.)
  if (demand = demands_.find(submitter, index); demand != nullptr && demand->waiting) {
    asking_.ask_for(*demand, now);
  }
}

ClientId NodeScheduler::worker_of(ClientId submitter, LeaseId id) const {
  const Lease* lease = leases_.find(id);
  return lease != nullptr && lease->submitter == submitter && !lease->closing() ? lease->worker : ClientId{};
}

void NodeScheduler::return_lease(ClientId submitter, LeaseId id, Time now) {
  Lease* lease = leases_.find(id);
  if (lease == nullptr || lease->submitter != submitter || lease->closing()) {
    return;
  }
  Worker& worker = *pool_.find(lease->worker);
  close_lease(*lease, false, now);
  if (worker.outfit.reservation) {
    pool_.erase(worker);
  } else if (worker.state != WorkerState::dying) {
    placing_.supply(worker, now);
  }
  serve(now);
}

void NodeScheduler::close(const std::string& why, Time now) {
  closed_ = why;
  std::vector<std::pair<ClientId, ShapeIndex>> wanted;
  for (const auto& [id, client] : demands_.clients()) {
    for (const auto& [index, demand] : client.demands) {
      if (demand.wanted > 0) wanted.emplace_back(id, index);
    }
  }
  for (const auto& [id, index] : wanted) placing_.refuse(*demands_.find(id, index), why, now);
  std::vector<ClientId> workers;
  for (const auto& [id, worker] : pool_.all()) {
    if (worker.state != WorkerState::dying) workers.push_back(id);
  }
  for (const ClientId id : workers) workers_.end(*pool_.find(id));
}

void NodeScheduler::add_occupants(std::vector<Occupant>& all) const {
  for (const auto& [id, worker] : pool_.all()) {
    const Lease* lease = leases_.find(worker.lease);
    if (worker.state == WorkerState::idle && workers_.may_end(worker)) {
      all.push_back({id, Occupant::Kind::idle, worker.idle_since});
    } else if (worker.state == WorkerState::leased && lease != nullptr && !worker.outfit.reservation) {
      const bool actor = lease->allocation.taken.own_worker;
      all.push_back({id, actor ? Occupant::Kind::actor : Occupant::Kind::task, lease->granted});
    }
  }
}

// Gives back what the lease took. The worker keeps its state: what becomes of it is the caller's business.
void NodeScheduler::close_lease(Lease& lease, bool worker_died, Time now) {
  if (lease.blocked && !(planted_bug(1) && worker_died)) {
    ledger_.take_back_cpus(lease.allocation);
  }
  ledger_.give_back(lease.allocation);
  if (!lease.closing()) {
    demands_.lease_closed(lease, !worker_died, now);
  }
  pool_.find(lease.worker)->lease = {};
  leases_.erase(lease);
}

void NodeScheduler::blocked(ClientId id, Time now) {
  const Worker* worker = pool_.find(id);
  Lease* lease = worker == nullptr ? nullptr : leases_.find(worker->lease);
  if (lease == nullptr || lease->blocked) {
    return;
  }
  ledger_.release_cpus(lease->allocation);
  leases_.set_blocked(*lease, true);
  if (!lease->closing()) {
    demands_.lease_blocked(*lease->demand, now);
  }
  serve(now);
}

void NodeScheduler::unblocked(ClientId id, Time now) {
  Worker* worker = pool_.find(id);
  Lease* lease = worker == nullptr ? nullptr : leases_.find(worker->lease);
  if (lease == nullptr) {
    return;
  }
  if (!lease->blocked) {
    // Its own lease came back before this message, and it has a new one by now.
    if (planted_bug(2) && worker->state == WorkerState::leased) {
      pool_.set_idle(*worker, now);
    }
    return;
  }
  ledger_.take_back_cpus(lease->allocation);
  leases_.set_blocked(*lease, false);
  if (!lease->closing()) {
    demands_.lease_unblocked(*lease->demand, now);
    placing_.trim(*lease->demand, now);
  }
  serve(now);
}

void NodeScheduler::ring_closed(ClientId id, ClientId submitter, Time now) {
  Worker* worker = pool_.find(id);
  Lease* lease = worker == nullptr ? nullptr : leases_.find(worker->lease);
  if (lease == nullptr || !lease->closing() || lease->submitter != submitter) {
    return;
  }
  close_lease(*lease, false, now);
  if (worker->state == WorkerState::leased) {
    placing_.supply(*worker, now);
  }
  serve(now);
}

// The submitter is dead: its demands are void, and its workers are to forget it.
void NodeScheduler::drop_client(ClientId id, Time now) {
  const auto entry = demands_.clients().find(id);
  if (entry == demands_.clients().end()) {
    return;
  }
  std::vector<ClientId> workers;
  for (LeaseId lease_id : entry->second.leases) {
    Lease& lease = *leases_.find(lease_id);
    workers.push_back(lease.worker);
    demands_.lease_closing(lease);
    leases_.set_closing(lease, now + config_.close_ring_grace);
  }
  for (auto& [index, demand] : entry->second.demands) placing_.cancel_bookings(demand, now);
  demands_.leave(id, now);
  for (ClientId worker : workers) {
    effects_.close_ring(worker, id);
  }
}

void NodeScheduler::keep_alive(ClientId id, bool keep, Time now) {
  if (Worker* worker = pool_.find(id)) {
    workers_.set_keep(*worker, keep, now);
    if (!keep) serve(now);  // a demand may wait for the worker's place
  }
}

Time NodeScheduler::tick(Time now) {
  kill_overdue(now);
  workers_.end_idle(now);
  serve(now);
  asking_.tick(now);
  return next_tick();
}

void NodeScheduler::kill_overdue(Time now) {
  while (!leases_.deadlines().empty() && leases_.deadlines().begin()->first <= now) {
    const Lease& lease = *leases_.find(leases_.deadlines().begin()->second);
    leases_.forget_deadline(lease);
    Worker& worker = *pool_.find(lease.worker);
    if (worker.state != WorkerState::dying) workers_.end(worker);
  }
}

Time NodeScheduler::next_tick() const {
  Time next =
      std::min({workers_.next_tick(), asking_.next_tick(), placing_.next_hold_end(), blocked_watch_.next_tick()});
  if (!leases_.deadlines().empty()) {
    next = std::min(next, leases_.deadlines().begin()->first);
  }
  return next;
}

std::string NodeScheduler::check_invariants() const {
  return first_broken({ledger_, demands_, pool_, leases_, placing_.bookings(), config_.max_workers, workers_.paused(),
                       asking_.next_turn()});
}

}  // namespace manta::sched
