#include "core/sched/placing.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "core/base/planted_bug.h"

namespace manta::sched {

// What is kept free in one pass over the waiting shapes.
class Placing::Holds {
 public:
  Holds(const Ledger& ledger, std::size_t dimensions) : ledger_(ledger), dimensions_(dimensions) {}

  // Holds all of what the shape lacks, and as much as it needs of the rest.
  void add(const Shape& shape, DimensionBits lacking) {
    held_.resize(dimensions_);
    for (const Shape::Use& use : shape.uses) {
      const std::int64_t all = ledger_.capacity(use.dimension);
      const bool whole = (lacking & bit_of(use.dimension)) != 0 || held_[use.dimension] > all - use.units;
      held_[use.dimension] = whole ? all : held_[use.dimension] + use.units;
    }
  }
  // Whether too little is left for the shape beside what is held.
  bool exclude(const Shape& shape) const {
    return !held_.empty() && std::any_of(shape.uses.begin(), shape.uses.end(), [&](const Shape::Use& use) {
      return use.dimension != kWorkers && held_[use.dimension] > 0 &&
             ledger_.left(use.dimension) - held_[use.dimension] < use.units;
    });
  }

 private:
  const Ledger& ledger_;
  std::size_t dimensions_;
  std::vector<std::int64_t> held_;  // by dimension; empty: nothing is
};

// Serves the first in the order that can be served.
bool Placing::serve_one(Time now) {
  if (now < next_hold_end_ && demands_.queue().all_lack(ledger_)) {
    return false;  // the common case when there is much to do, whatever the number of shapes
  }
  struct Passed {
    Shape* shape;
    DimensionBits lacking;
  };
  std::vector<Passed> passed;
  Holds holds(ledger_, demands_.queue().dimensions());
  std::size_t without_worker = 0;
  next_hold_end_ = kNever;
  for (const auto& [rank, demand] : demands_.queue().fronts()) {
    Shape& shape = *demand->shape;
    const DimensionBits lacking = ledger_.lacking(shape.request);
    const bool holding = shape.patience.holding(now);  // asked each time: it keeps the time
    next_hold_end_ = std::min(next_hold_end_, shape.patience.hold_until());
    if (lacking != 0) {
      if (holding) {
        holds.add(shape, lacking);
      }
      passed.push_back({&shape, lacking});
    } else if (holds.exclude(shape)) {
      continue;
    } else if (place(*demand, now)) {
      for (const Passed& other : passed) {
        if ((other.lacking & shape.bits) != 0 || ledger_.lacking(other.shape->request) != other.lacking) {
          other.shape->patience.passed(now);
        }
      }
      return true;
    } else if (workers_.make_space(++without_worker)) {
      holds.add(shape, 0);  // until the place is free, or others would have taken the resources by then
    }
  }
  return false;
}

// Takes the resources, which must be there, and a worker; false if there is no worker and none can be started.
bool Placing::place(Demand& demand, Time now) {
  const ResourceSet& request = demand.shape->request;
  const bool unused = request.own_worker;
  const auto has_worker = [&](const Outfit& outfit) {
    return pool_.newest_idle(outfit, unused) != nullptr || pool_.starting(outfit) > 0 || workers_.may_start(now);
  };
  if (request.gpus.zero() && !request.reservation && !has_worker({{}, request.env})) {
    return false;  // common while all workers are busy: spare the ledger
  }
  Allocation allocation = std::move(*ledger_.take(request));
  Outfit outfit = outfit_of(allocation);
  Worker* worker = request.reservation ? &pool_.add_starting(outfit) : pool_.newest_idle(outfit, unused);
  const bool spare = pool_.starting(outfit) > bookings_.count(outfit);
  if (worker == nullptr && !spare && !workers_.may_start(now)) {
    ledger_.give_back(allocation);
    return false;
  }
  const std::uint64_t arrival = demands_.served(demand);
  if (worker != nullptr) {
    open_lease(demand, std::move(allocation), *worker, now);
    return true;
  }
  demands_.booked(demand, now);
  const std::vector<GpuShare> shares = allocation.gpus;
  bookings_.add(outfit, {&demand, std::move(allocation), arrival});
  if (!spare) {
    workers_.start(std::move(outfit), shares);
  }
  return true;
}

void Placing::supply(Worker& worker, Time now) {
  std::optional<Booking> booking = bookings_.take_oldest(worker);
  if (!booking) return workers_.set_idle(worker, now);
  Demands::booking_filled(*booking->demand);
  open_lease(*booking->demand, std::move(booking->allocation), worker, now);
}

void Placing::open_lease(Demand& demand, Allocation allocation, Worker& worker, Time now) {
  const Lease& lease = leases_.add(worker.id, demand, std::move(allocation), now);
  demands_.lease_opened(demand, lease.id, now);
  pool_.set_leased(worker, lease.id);
  effects_.grant(demand.client, Grant{lease.id, worker.id, demand.index, lease.allocation.gpus});
}

void Placing::give_back(Booking booking, Time now) {
  ledger_.give_back(booking.allocation);
  demands_.booking_cancelled(*booking.demand, booking.arrival, now);
}

void Placing::cancel_newest(Demand& demand, Time now) {
  std::optional<Booking> newest = bookings_.take_newest(demand);
  assert(newest && "a booked demand has a booking");
  give_back(std::move(*newest), now);
}

void Placing::trim(Demand& demand, Time now) {
  while (demand.booked > 0 && demand.held() > demand.wanted) {
    cancel_newest(demand, now);
  }
}

void Placing::cancel_bookings(Demand& demand, Time now) {
  while (demand.booked > 0) {
    cancel_newest(demand, now);
  }
}

void Placing::start_failed(const Outfit& outfit, Time now) {
  if (bookings_.count(outfit) <= pool_.starting(outfit)) return;
  Booking newest = std::move(*bookings_.take_newest(outfit));
  Demand& demand = *newest.demand;
  give_back(std::move(newest), now);
  if (planted_bug(4)) {
    demands_.set_wanted(demand, demand.held(), now);
    demands_.drop_if_unused(demand);
  }
}

void Placing::refuse(Demand& demand, const std::string& why, Time now) {
  const ClientId client = demand.client;
  const ShapeIndex index = demand.index;
  demands_.set_wanted(demand, 0, now);
  cancel_bookings(demand, now);
  demands_.drop_if_unused(demand);
  effects_.infeasible(client, index, why);
}

void Placing::refuse_unstartable(const std::string& why, Time now) {
  for (Demand* demand : demands_.queue().all_waiting()) {
    // One that holds leases gets its work done with them; one that lacks resources waits for a worker that exists.
    const ResourceSet& request = demand->shape->request;
    const bool could_reuse = request.gpus.zero() && pool_.usable({{}, request.env}) > 0;
    if (demand->leases() == 0 && demand->booked == 0 && !could_reuse && ledger_.fits(request)) {
      refuse(*demand, why, now);
    }
  }
}

}  // namespace manta::sched
