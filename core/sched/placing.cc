// NodeScheduler: which demand gets which worker. Waiting demands are served in order; a worker is reused, else started.
#include <algorithm>

#include "core/sched/node_scheduler.h"

namespace manta::sched {

void NodeScheduler::serve(Time now) {
  while (serve_one(now)) {
  }
  ask_back_for_fronts(now);
  if (ledger_.left(kCpus) >= 0) {
    overdrawn_since_ = kNever;
  } else if (overdrawn_since_ == kNever) {
    overdrawn_since_ = now;
  }
  watch_for_all_blocked(now);
  refill_warm(now);
  if (queue_.empty()) {
    next_turn_ = kNever;
  } else if (next_turn_ == kNever) {
    next_turn_ = now + config_.turn;
  }
}

// Serves the first in the order that can be served. A shape that lacks resources is passed by the ones behind it, until
// its patience ends: then all of what it lacks is held for it, and as much as it needs of the rest.
bool NodeScheduler::serve_one(Time now) {
  if (now < next_hold_end_ && queue_.all_lack(ledger_)) {
    return false;  // the common case when there is much to do, whatever the number of shapes
  }
  struct Passed {
    Shape* shape;
    DimensionBits lacking;
  };
  std::vector<Passed> passed;
  std::vector<std::int64_t> held;  // by dimension; empty: nothing is
  const auto hold = [&](const Shape& shape, DimensionBits lacking) {
    held.resize(queue_.dimensions());
    for (const Shape::Use& use : shape.uses) {
      const std::int64_t all = ledger_.capacity(use.dimension);
      const bool whole = (lacking & bit_of(use.dimension)) != 0 || held[use.dimension] > all - use.units;
      held[use.dimension] = whole ? all : held[use.dimension] + use.units;
    }
  };
  const auto is_held = [&](const Shape& shape) {
    return !held.empty() && std::any_of(shape.uses.begin(), shape.uses.end(), [&](const Shape::Use& use) {
      return use.dimension != kWorkers && held[use.dimension] > 0 &&
             ledger_.left(use.dimension) - held[use.dimension] < use.units;
    });
  };
  std::size_t without_worker = 0;
  next_hold_end_ = kNever;
  for (const auto& [rank, demand] : queue_.fronts()) {
    Shape& shape = *demand->shape;
    const DimensionBits lacking = ledger_.lacking(shape.request);
    const bool holding = shape.patience.holding(now);  // asked each time: it keeps the time
    next_hold_end_ = std::min(next_hold_end_, shape.patience.hold_until());
    if (lacking != 0) {
      if (holding) {
        hold(shape, lacking);
      }
      passed.push_back({&shape, lacking});
    } else if (is_held(shape)) {
      continue;
    } else if (place(*demand, now)) {
      for (const Passed& other : passed) {
        if ((other.lacking & shape.bits) != 0 || ledger_.lacking(other.shape->request) != other.lacking) {
          other.shape->patience.passed(now);
        }
      }
      return true;
    } else if (make_space(++without_worker)) {
      hold(shape, 0);  // until the place is free, or others would have taken the resources by then
    }
  }
  return false;
}

// Takes the resources, which must be there, and a worker; false if there is no worker and none can be started.
bool NodeScheduler::place(Demand& demand, Time now) {
  const ResourceSet& request = demand.shape->request;
  const bool unused = request.own_worker;
  const auto has_worker = [&](const Outfit& outfit) {
    return pool_.newest_idle(outfit, unused) != nullptr || pool_.starting(outfit) > 0 || may_start(now);
  };
  if (request.gpus.zero() && !request.reservation && !has_worker({{}, request.env})) {
    return false;  // common while all workers are busy: spare the ledger
  }
  Allocation allocation = std::move(*ledger_.take(request));
  Outfit outfit = outfit_of(allocation);
  Worker* worker = request.reservation ? &pool_.add_starting(outfit) : pool_.newest_idle(outfit, unused);
  const auto booked = bookings_.find(outfit);
  const bool spare = pool_.starting(outfit) > (booked == bookings_.end() ? 0 : booked->second.size());
  if (worker == nullptr && !spare && !may_start(now)) {
    ledger_.give_back(allocation);
    return false;
  }
  const std::uint64_t arrival = demand.arrival;
  queue_.to_the_back(demand);
  fair_.lease_began(demand);
  demand.claim_units = std::max<std::int64_t>(0, demand.claim_units - demand.shape->units_of(demand.claim_dimension));
  demand.shape->patience.served();
  if (worker != nullptr) {
    open_lease(demand, std::move(allocation), *worker, now);
    return true;
  }
  ++demand.booked;
  queue_.refresh(demand, now);
  const std::vector<GpuShare> shares = allocation.gpus;
  bookings_[outfit].push_back({&demand, std::move(allocation), arrival});
  if (!spare) {
    start_worker(std::move(outfit), shares);
  }
  return true;
}

// The worker is free: the oldest booking that may have it (whichever process was started for that), or it idles.
void NodeScheduler::supply(Worker& worker, Time now) {
  const auto idle = [&] {
    pool_.set_idle(worker, now);
    next_idle_check_ = std::min(next_idle_check_, now + config_.idle_worker_life);
  };
  const auto booked = bookings_.find(worker.outfit);
  if (booked == bookings_.end()) return idle();
  const auto first = std::find_if(booked->second.begin(), booked->second.end(), [&](const Booking& b) {
    return !worker.used || !b.demand->shape->request.own_worker;
  });
  if (first == booked->second.end()) return idle();
  Booking booking = std::move(*first);
  booked->second.erase(first);
  if (booked->second.empty()) {
    bookings_.erase(booked);
  }
  --booking.demand->booked;
  open_lease(*booking.demand, std::move(booking.allocation), worker, now);
}

void NodeScheduler::open_lease(Demand& demand, Allocation allocation, Worker& worker, Time now) {
  Lease& lease = leases_.add(worker.id, demand, std::move(allocation), now);
  ++demand.active;
  queue_.refresh(demand, now);
  clients_.find(demand.client)->second.leases.insert(lease.id);
  pool_.set_leased(worker, lease.id);
  effects_.grant(demand.client, Grant{lease.id, worker.id, demand.index, lease.allocation.gpus});
}

bool NodeScheduler::may_start(Time now) const { return pool_.size() < config_.max_workers && now >= start_after_; }

void NodeScheduler::start_worker(Outfit outfit, const std::vector<GpuShare>& shares) {
  const Worker& worker = pool_.add_starting(std::move(outfit));
  effects_.start_worker(worker.id, shares, worker.outfit.env);
}

bool NodeScheduler::may_end(const Worker& worker) const {
  return worker.state == WorkerState::idle && !worker.keep && !submits(worker.id) &&
         !(config_.submits_elsewhere && config_.submits_elsewhere(worker.id));
}

void NodeScheduler::end_worker(Worker& worker) {
  pool_.set_dying(worker);
  effects_.kill_worker(worker.id);
}

// An idle worker of another outfit gives its place to one that is needed. wanted: how many places are. Whether so many
// will be free soon.
bool NodeScheduler::make_space(std::size_t wanted) {
  if (pool_.size() < config_.max_workers || pool_.dying() >= wanted) {
    return pool_.size() >= config_.max_workers;
  }
  for (const auto& [order, id] : pool_.idle()) {
    if (Worker& worker = *pool_.find(id); may_end(worker)) {
      end_worker(worker);
      return true;
    }
  }
  return false;
}

void NodeScheduler::refill_warm(Time now) {
  while (pool_.plain() < config_.warm_workers && may_start(now) && now >= warm_after_) {
    start_worker({}, {});
  }
}

// With every worker blocked and no place for another, nothing on this node goes on. Some blocked worker may be about to
// go on (its message is under way, or it waits for another node), so it must last for a while.
void NodeScheduler::watch_for_all_blocked(Time now) {
  if (queue_.empty() || leases_.blocked() < config_.max_workers) {
    all_blocked_since_ = kNever;
  } else if (all_blocked_since_ == kNever) {
    all_blocked_since_ = now;
  } else if (now - all_blocked_since_ >= config_.all_blocked_grace) {
    fail_all_blocked(now);
    all_blocked_since_ = queue_.empty() ? kNever : now;
  }
}

// Fails the tasks that the blocked workers themselves wait for, which lets these go on; if there are none, all.
void NodeScheduler::fail_all_blocked(Time now) {
  const std::vector<Demand*> waiting = queue_.all_waiting();
  const auto only_needs_worker = [&](const Demand* demand) { return ledger_.fits(demand->shape->request); };
  const auto by_worker = [&](const Demand* demand) {
    return only_needs_worker(demand) && pool_.find(demand->client) != nullptr;
  };
  const bool nested = std::any_of(waiting.begin(), waiting.end(), by_worker);
  for (Demand* demand : waiting) {
    if (nested ? by_worker(demand) : only_needs_worker(demand)) {
      refuse(*demand,
             "all " + std::to_string(config_.max_workers) +
                 " worker processes of this node are blocked in get; raise InitOptions::max_workers or make "
                 "tasks wait less deeply",
             now);
    }
  }
}

// The demand is void, as after its withdrawal; what it holds it keeps.
void NodeScheduler::refuse(Demand& demand, const std::string& why, Time now) {
  const ClientId client = demand.client;
  const ShapeIndex index = demand.index;
  set_wanted(demand, 0, now);
  while (demand.booked > 0) {
    cancel_newest_booking(demand, now);
  }
  drop_if_unused(demand);
  effects_.infeasible(client, index, why);
}

}  // namespace manta::sched
