#include "core/sched/node_scheduler.h"

#include <algorithm>
#include <cassert>

#include "core/base/planted_bug.h"

namespace manta::sched {

namespace {

constexpr std::uint32_t kMaxFailuresInARow = 3;

// Leases are numbered within the node, as clients are: the node's number is in the upper 24 bits.
std::uint64_t first_lease_id(std::uint64_t first_client_id) {
  constexpr std::uint64_t kWithinNode = (std::uint64_t{1} << 40) - 1;
  return (first_client_id & ~kWithinNode) + 1;
}

}  // namespace

NodeScheduler::NodeScheduler(NodeSchedulerConfig config, NodeSchedulerEffects& effects)
    : config_(std::move(config)),
      effects_(effects),
      ids_(config_.ids
               ? config_.ids
               : std::make_shared<NextIds>(NextIds{config_.first_client_id, first_lease_id(config_.first_client_id)})),
      ledger_(config_.part ? Ledger::of_part(*config_.part) : Ledger(config_.total)),
      queue_(ledger_.total()),
      fair_(queue_.dimensions()),
      pool_(ids_->client),
      leases_(ids_->lease) {
  config_.max_workers = std::max(config_.max_workers, 1U);
  config_.warm_workers = std::min(config_.warm_workers, config_.max_workers);
}

void NodeScheduler::start(Time now) { serve(now); }

void NodeScheduler::driver_joined(ClientId driver, Time) { clients_.try_emplace(driver); }

void NodeScheduler::worker_started(ClientId id, Time now) {
  Worker* worker = pool_.find(id);
  if (worker == nullptr || worker->state != WorkerState::starting) {
    return;
  }
  failures_in_a_row_ = 0;
  last_failure_.clear();
  start_after_ = Time{0};
  clients_.try_emplace(id);
  supply(*worker, now);
  serve(now);
}

void NodeScheduler::worker_failed(ClientId id, const std::string& status, Time now) { client_left(id, status, now); }

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
      warm_after_ = now + config_.start_retry;  // it may die again at once
    }
    pool_.erase(*worker);
  }
  drop_client(id, now);
  serve(now);
}

void NodeScheduler::start_failed(Worker& worker, const std::string& status, Time now) {
  const Outfit outfit = worker.outfit;
  pool_.erase(worker);
  last_failure_ = status;
  warm_after_ = now + config_.start_retry;
  const auto booked = bookings_.find(outfit);
  if (booked != bookings_.end() && booked->second.size() > pool_.starting(outfit)) {
    Demand& demand = *booked->second.back().demand;
    cancel_booking(outfit, booked->second.size() - 1, now);
    if (planted_bug(4)) {
      set_wanted(demand, demand.held(), now);
      drop_if_unused(demand);
    }
  }
  if (++failures_in_a_row_ < kMaxFailuresInARow) {
    return;
  }
  start_after_ = now + config_.start_retry;
  for (Demand* demand : queue_.all_waiting()) {
    // One that holds leases gets its work done with them; one that lacks resources waits for a worker that exists.
    const ResourceSet& request = demand->shape->request;
    const bool could_reuse = request.gpus.zero() && pool_.usable({{}, request.env}) > 0;
    if (demand->leases() == 0 && demand->booked == 0 && !could_reuse && ledger_.fits(demand->shape->request)) {
      refuse(*demand,
             "worker processes cannot be started on this node: " + std::to_string(failures_in_a_row_) +
                 " attempts in a row failed, the last with \"" + status + "\"; see the node's log",
             now);
    }
  }
}

void NodeScheduler::cancel_booking(const Outfit& outfit, std::size_t position, Time now) {
  const auto entry = bookings_.find(outfit);
  const auto at = entry->second.begin() + static_cast<std::ptrdiff_t>(position);
  Demand& demand = *at->demand;
  ledger_.give_back(at->allocation);
  --demand.booked;
  fair_.lease_ended(demand);
  const std::uint64_t arrival = at->arrival;
  entry->second.erase(at);
  if (entry->second.empty()) {
    bookings_.erase(entry);
  }
  queue_.refresh(demand, now);
  if (demand.waiting) {
    demand.arrival = arrival;
    queue_.refresh(demand, now);
  }
}

void NodeScheduler::cancel_newest_booking(const Demand& demand, Time now) {
  for (auto& [outfit, bookings] : bookings_) {
    for (std::size_t i = bookings.size(); i-- > 0;) {
      if (bookings[i].demand == &demand) {
        cancel_booking(outfit, i, now);
        return;
      }
    }
  }
  assert(false && "a booked demand has a booking");
}

Demand* NodeScheduler::find_demand(ClientId submitter, ShapeIndex shape) {
  const auto client = clients_.find(submitter);
  if (client == clients_.end()) {
    return nullptr;
  }
  const auto demand = client->second.demands.find(shape);
  return demand == client->second.demands.end() ? nullptr : &demand->second;
}

std::vector<std::pair<ShapeIndex, std::uint32_t>> NodeScheduler::held_by(ClientId id) const {
  std::vector<std::pair<ShapeIndex, std::uint32_t>> all;
  const auto client = clients_.find(id);
  if (client == clients_.end()) return all;
  for (const auto& [shape, demand] : client->second.demands) {
    if (const std::uint32_t n = demand.leases() + demand.booked; n > 0) all.emplace_back(shape, n);
  }
  return all;
}

std::uint32_t NodeScheduler::held(ClientId id, ShapeIndex shape) const {
  const auto client = clients_.find(id);
  if (client == clients_.end()) return 0;
  const auto demand = client->second.demands.find(shape);
  return demand == client->second.demands.end() ? 0 : demand->second.leases() + demand->second.booked;
}

void NodeScheduler::set_demand(ClientId submitter, ShapeIndex index, const ResourceSet& request, std::uint32_t wanted,
                               Time now) {
  const auto client = clients_.find(submitter);
  if (client == clients_.end()) {
    return;
  }
  Demand* demand = find_demand(submitter, index);
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
    demand = &client->second.demands[index];
    demand->client = submitter;
    demand->index = index;
    queue_.bind(*demand, request);
  } else if (wanted > 0 && demand->shape->request != request) {
    effects_.infeasible(submitter, index,
                        "shape " + std::to_string(index) + " stands for " + demand->shape->request.to_string() +
                            " and cannot ask for " + request.to_string() +
                            " as well; give each shape a number of its own");
    return;
  }
  set_wanted(*demand, wanted, now);
  while (demand->booked > 0 && demand->held() > demand->wanted) {
    cancel_newest_booking(*demand, now);
  }
  drop_if_unused(*demand);
  serve(now);
  // Serving looked at the first of each shape only. (The demand may be gone by now: withdrawn, or refused.)
  if (demand = find_demand(submitter, index); demand != nullptr && demand->waiting) {
    Asks asks;
    ask_back_by_share(*demand, asks, now);
    send(asks);
  }
}

void NodeScheduler::set_wanted(Demand& demand, std::uint32_t wanted, Time now) {
  if (demand.wanted == 0 && wanted > 0) {
    fair_.demand_began(demand);
  } else if (demand.wanted > 0 && wanted == 0) {
    fair_.demand_ended(demand);
  }
  demand.wanted = wanted;
  queue_.refresh(demand, now);
}

void NodeScheduler::drop_if_unused(Demand& demand) {
  if (demand.wanted == 0 && demand.leases() == 0 && demand.booked == 0) {
    const auto client = clients_.find(demand.client);
    queue_.unbind(demand);
    client->second.demands.erase(demand.index);
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
    supply(worker, now);
  }
  serve(now);
}

void NodeScheduler::close(const std::string& why, Time now) {
  closed_ = why;
  std::vector<std::pair<ClientId, ShapeIndex>> wanted;
  for (const auto& [id, client] : clients_) {
    for (const auto& [index, demand] : client.demands) {
      if (demand.wanted > 0) wanted.emplace_back(id, index);
    }
  }
  for (const auto& [id, index] : wanted) refuse(*find_demand(id, index), why, now);
  std::vector<ClientId> workers;
  for (const auto& [id, worker] : pool_.all()) {
    if (worker.state != WorkerState::dying) workers.push_back(id);
  }
  for (const ClientId id : workers) end_worker(*pool_.find(id));
}

void NodeScheduler::add_occupants(std::vector<Occupant>& all) const {
  for (const auto& [id, worker] : pool_.all()) {
    const Lease* lease = leases_.find(worker.lease);
    if (worker.state == WorkerState::idle && may_end(worker)) {
      all.push_back({id, Occupant::Kind::idle, worker.idle_since});
    } else if (worker.state == WorkerState::leased && lease != nullptr && !worker.outfit.reservation) {
      const bool actor = lease->allocation.taken.own_worker;
      all.push_back({id, actor ? Occupant::Kind::actor : Occupant::Kind::task, lease->granted});
    }
  }
}

bool NodeScheduler::submits(ClientId id) const {
  const auto client = clients_.find(id);
  return client != clients_.end() && (!client->second.demands.empty() || !client->second.leases.empty());
}

// Gives back what the lease took. The worker keeps its state: what becomes of it is the caller's business.
void NodeScheduler::close_lease(Lease& lease, bool worker_died, Time now) {
  if (lease.blocked && !(planted_bug(1) && worker_died)) {
    ledger_.take_back_cpus(lease.allocation);
  }
  ledger_.give_back(lease.allocation);
  if (!lease.closing()) {
    Demand& demand = *lease.demand;
    if (lease.blocked) {
      --demand.blocked;
    } else {
      --demand.active;
      fair_.lease_ended(demand);
    }
    if (demand.asked > 0) {
      --demand.asked;
      fair_.ask_settled(demand);
    }
    if (demand.shape->request.own_worker && demand.wanted > 0) {
      set_wanted(demand, demand.wanted - 1, now);  // SCHED-9
    }
    if (!worker_died) {
      queue_.to_the_back(demand);  // it had its turn
    }
    queue_.refresh(demand, now);
    clients_.find(lease.submitter)->second.leases.erase(lease.id);
    drop_if_unused(demand);
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
  ledger_.lend_cpus(lease->allocation);
  leases_.set_blocked(*lease, true);
  if (!lease->closing()) {
    Demand& demand = *lease->demand;
    --demand.active;
    ++demand.blocked;
    fair_.lease_ended(demand);
    queue_.refresh(demand, now);
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
    Demand& demand = *lease->demand;
    ++demand.active;
    --demand.blocked;
    fair_.lease_began(demand);
    queue_.refresh(demand, now);
    while (demand.booked > 0 && demand.held() > demand.wanted) {
      cancel_newest_booking(demand, now);
    }
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
    supply(*worker, now);
  }
  serve(now);
}

// The submitter is dead: its demands are void, and its workers are to forget it.
void NodeScheduler::drop_client(ClientId id, Time now) {
  const auto entry = clients_.find(id);
  if (entry == clients_.end()) {
    return;
  }
  Client& client = entry->second;
  std::vector<ClientId> workers;
  for (LeaseId lease_id : client.leases) {
    Lease& lease = *leases_.find(lease_id);
    workers.push_back(lease.worker);
    if (!lease.blocked) {
      fair_.lease_ended(*lease.demand);
    }
    leases_.set_closing(lease, now + config_.close_ring_grace);
  }
  for (auto& [index, demand] : client.demands) {
    while (demand.booked > 0) {
      cancel_newest_booking(demand, now);
    }
    for (; demand.asked > 0; --demand.asked) {
      fair_.ask_settled(demand);
    }
    set_wanted(demand, 0, now);
    queue_.unbind(demand);
  }
  clients_.erase(entry);
  for (ClientId worker : workers) {
    effects_.close_ring(worker, id);
  }
}

void NodeScheduler::keep_alive(ClientId id, bool keep, Time now) {
  if (Worker* worker = pool_.find(id)) {
    worker->keep = keep;
    if (!keep) {
      next_idle_check_ = std::min(next_idle_check_, now);
      serve(now);  // a demand may wait for the worker's place
    }
  }
}

Time NodeScheduler::tick(Time now) {
  kill_overdue(now);
  if (now >= next_idle_check_) {
    end_idle_workers(now);
  }
  serve(now);
  if (now >= next_turn_) {
    take_turns(now);
    next_turn_ = now + config_.turn;
  }
  if (overdrawn_since_ != kNever && now - overdrawn_since_ >= config_.turn) {
    ask_back_released_cpus(now);
    overdrawn_since_ = kNever;  // the next event sees whether that was enough
  }
  return next_tick();
}

void NodeScheduler::kill_overdue(Time now) {
  while (!leases_.deadlines().empty() && leases_.deadlines().begin()->first <= now) {
    const Lease& lease = *leases_.find(leases_.deadlines().begin()->second);
    leases_.forget_deadline(lease);
    Worker& worker = *pool_.find(lease.worker);
    if (worker.state != WorkerState::dying) end_worker(worker);
  }
}

void NodeScheduler::end_idle_workers(Time now) {
  next_idle_check_ = kNever;
  std::vector<ClientId> expired;
  for (const auto& [order, id] : pool_.idle()) {
    const Time end = pool_.find(id)->idle_since + config_.idle_worker_life;
    if (end > now) {
      next_idle_check_ = end;
      break;
    }
    expired.push_back(id);
  }
  for (ClientId id : expired) {
    Worker& worker = *pool_.find(id);
    if (worker.outfit.plain() && pool_.plain() <= config_.warm_workers) {
      continue;  // looked at again when another one becomes idle
    }
    if (may_end(worker)) {
      end_worker(worker);
    } else {
      next_idle_check_ = std::min(next_idle_check_, now + config_.idle_worker_life);
    }
  }
}

Time NodeScheduler::next_tick() const {
  Time next = std::min({next_idle_check_, next_turn_, next_hold_end_});
  if (!leases_.deadlines().empty()) {
    next = std::min(next, leases_.deadlines().begin()->first);
  }
  if (overdrawn_since_ != kNever) {
    next = std::min(next, overdrawn_since_ + config_.turn);
  }
  if (all_blocked_since_ != kNever) {
    next = std::min(next, all_blocked_since_ + config_.all_blocked_grace);
  }
  if (pool_.plain() < config_.warm_workers && pool_.size() < config_.max_workers) {
    next = std::min(next, std::max(warm_after_, start_after_));
  }
  return next;
}

}  // namespace manta::sched
