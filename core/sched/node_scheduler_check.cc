#include "core/sched/node_scheduler_check.h"

#include <algorithm>
#include <map>
#include <vector>

namespace manta::sched {

namespace {

std::string name_of(ClientId id) { return "client " + std::to_string(id.value); }
std::string name_of(LeaseId id) { return "lease " + std::to_string(id.value); }
std::string name_of(const Demand& demand) {
  return name_of(demand.client) + "'s shape " + std::to_string(demand.index);
}

std::string check_ledger(const NodeBooks& books) {
  const auto add = [&](ResourceSet& sum, const Allocation& allocation, bool released) {
    sum.cpus += released ? Amount() : allocation.taken.cpus;
    sum.memory_bytes += allocation.taken.memory_bytes;
    for (const NamedAmount& resource : allocation.taken.named) {
      const auto at = std::find_if(sum.named.begin(), sum.named.end(),
                                   [&](const NamedAmount& other) { return other.name == resource.name; });
      if (at == sum.named.end()) {
        sum.named.push_back(resource);
      } else {
        at->amount += resource.amount;
      }
    }
  };
  ResourceSet sum = books.ledger.available();
  std::vector<Amount> gpus(static_cast<std::size_t>(books.ledger.total().gpus.to_double()));
  const auto add_gpus = [&](const Allocation& allocation) {
    for (const GpuShare& share : allocation.gpus) {
      gpus.resize(std::max<std::size_t>(gpus.size(), share.index + 1));
      gpus[share.index] += share.amount;
      sum.gpus += share.amount;
    }
  };
  for (const auto& [id, lease] : books.leases.all()) {
    add(sum, lease.allocation, lease.blocked);
    add_gpus(lease.allocation);
  }
  for (const auto& [set, bookings] : books.bookings.all()) {
    for (const Booking& booking : bookings) {
      add(sum, booking.allocation, false);
      add_gpus(booking.allocation);
    }
  }
  std::sort(sum.named.begin(), sum.named.end());
  if (sum != books.ledger.total()) {
    return "SCHED-1: what is left and what is allocated sum up to " + sum.to_string() + " instead of " +
           books.ledger.total().to_string();
  }
  const bool overbooked = std::any_of(gpus.begin(), gpus.end(), [](Amount used) { return used.units() > 10'000; });
  return overbooked ? "SCHED-1: more than all of one GPU is allocated" : "";
}

std::string check_workers(const NodeBooks& books) {
  if (books.pool.size() > books.max_workers) {
    return "SCHED-7: " + std::to_string(books.pool.size()) + " workers, at most " + std::to_string(books.max_workers);
  }
  std::size_t leased = 0;
  std::map<Outfit, std::size_t> starting;
  for (const auto& [id, worker] : books.pool.all()) {
    starting[worker.outfit] += worker.state == WorkerState::starting ? 1 : 0;
    const Lease* lease = books.leases.find(worker.lease);
    leased += lease != nullptr ? 1 : 0;
    if (worker.lease && (lease == nullptr || lease->worker != id)) {
      return "SCHED-2: " + name_of(id) + " is leased by " + name_of(worker.lease) + ", which is not of it";
    }
    const bool may_have = worker.state == WorkerState::leased || worker.state == WorkerState::dying;
    if ((lease != nullptr && !may_have) || (lease == nullptr && worker.state == WorkerState::leased)) {
      return "SCHED-2: the state of " + name_of(id) + " does not go with its lease";
    }
    if (lease != nullptr && outfit_of(lease->allocation) != worker.outfit) {
      return "SCHED-3: " + name_of(id) + " was leased with GPUs or an environment that it was not started with";
    }
  }
  if (leased != books.leases.all().size()) {
    return "SCHED-2: two leases of one worker, or a lease of a worker that is gone";
  }
  for (const auto& [outfit, bookings] : books.bookings.all()) {
    if (bookings.empty() || bookings.size() > starting[outfit]) {
      return "a demand is booked for a worker that is not being started";
    }
  }
  return "";
}

std::string check_leases(const NodeBooks& books) {
  std::size_t held = 0;
  for (const auto& [id, client] : books.demands.clients()) {
    held += client.leases.size();
    for (LeaseId lease_id : client.leases) {
      const Lease* lease = books.leases.find(lease_id);
      if (lease == nullptr || lease->submitter != id || lease->closing()) {
        return name_of(id) + " is said to hold " + name_of(lease_id) + ", but does not";
      }
    }
  }
  std::size_t blocked = 0;
  for (const auto& [id, lease] : books.leases.all()) {
    blocked += lease.blocked && !lease.closing() ? 1 : 0;
    held += lease.closing() ? 1 : 0;
    const Worker* worker = books.pool.find(lease.worker);
    const bool watched = books.leases.deadlines().contains({lease.deadline, id}) ||
                         (worker != nullptr && worker->state == WorkerState::dying);
    if (lease.closing() && (books.demands.clients().contains(lease.submitter) || !watched)) {
      return "SCHED-5: " + name_of(id) + " is closing for ever, or its submitter is alive";
    }
  }
  if (blocked != books.leases.blocked()) {
    return "blocked leases are miscounted";
  }
  return held == books.leases.all().size() ? "" : "SCHED-5: a lease has no holder";
}

// counted: its leases and bookings, as the other parts know them.
std::string check_demand(const Demand& demand, const Demand& counted) {
  if (counted.active != demand.active || counted.blocked != demand.blocked || counted.booked != demand.booked) {
    return "the leases of " + name_of(demand) + " are miscounted";
  }
  if (demand.asked > demand.leases()) {
    return "more leases of " + name_of(demand) + " are asked back than it has";
  }
  if (demand.booked > 0 && demand.held() > demand.wanted) {
    return "more is booked for " + name_of(demand) + " than it wants";
  }
  const auto waiting = demand.shape->waiting.find(demand.place());
  const bool waits = waiting != demand.shape->waiting.end() && waiting->second == &demand;
  if (waits != (demand.wanted > demand.held()) || waits != demand.waiting) {
    return "SCHED-6: " + name_of(demand) + (waits ? " waits without need" : " does not wait for what it wants");
  }
  if (demand.wanted == 0 && demand.leases() == 0 && demand.booked == 0) {
    return name_of(demand) + " is kept for nothing";
  }
  return "";
}

std::string check_demands(const NodeBooks& books) {
  const DemandQueue& queue = books.demands.queue();
  FairShare fair(queue.dimensions());
  std::size_t demands = 0;
  for (const auto& [id, client] : books.demands.clients()) {
    std::map<ShapeIndex, Demand> counted;
    for (LeaseId lease_id : client.leases) {
      const Lease& lease = *books.leases.find(lease_id);
      Demand& count = counted[lease.demand->index];
      ++(lease.blocked ? count.blocked : count.active);
    }
    for (const auto& [outfit, bookings] : books.bookings.all()) {
      for (const Booking& booking : bookings) {
        counted[booking.demand->index].booked += booking.demand->client == id ? 1 : 0;
      }
    }
    for (const auto& [index, demand] : client.demands) {
      ++demands;
      if (std::string broken = check_demand(demand, counted[index]); !broken.empty()) {
        return broken;
      }
      if (demand.wanted > 0) {
        fair.demand_began(demand);
      }
      for (std::uint32_t i = 0; i < demand.active + demand.booked; ++i) {
        fair.lease_began(demand);
      }
      for (std::uint32_t i = 0; i < demand.asked; ++i) {
        fair.asked_back(demand);
      }
    }
  }
  for (const auto& [request, shape] : queue.shapes()) {
    demands -= shape.demands;
    const auto front = shape.waiting.begin();
    if (front != shape.waiting.end() && !queue.fronts().contains(front->first)) {
      return "SCHED-6: no demand of a shape is first";
    }
  }
  for (Dimension d = 0; d < queue.dimensions(); ++d) {
    if (fair.holdings(d) != books.demands.fair().holdings(d) || fair.by_kept(d) != books.demands.fair().by_kept(d)) {
      return "what clients hold of dimension " + std::to_string(d) + " is miscounted";
    }
  }
  return demands == 0 ? "" : "demands and shapes do not go together";
}

// No demand waits for free resources, unless they are held for another demand.
std::string check_service(const NodeBooks& books) {
  const DemandQueue& queue = books.demands.queue();
  const bool makes_space = books.pool.size() >= books.max_workers && books.pool.dying() > 0;
  const bool held = makes_space || std::any_of(queue.fronts().begin(), queue.fronts().end(), [](const auto& front) {
                      return front.second->shape->patience.hold_until() != kNever;
                    });
  for (const auto& [rank, demand] : queue.fronts()) {
    const ResourceSet& request = demand->shape->request;
    const bool room = request.reservation || books.pool.newest_idle({{}, request.env}, request.own_worker) != nullptr ||
                      (books.pool.size() < books.max_workers && !books.starts_paused);
    if (!held && request.gpus.zero() && books.ledger.fits(request) && room) {
      return "SCHED-6: " + name_of(*demand) + " waits although it could be served";
    }
  }
  if (!queue.empty() && books.next_turn == kNever) {
    return "a demand waits, but no tick was asked for";
  }
  return "";
}

}  // namespace

std::string first_broken(const NodeBooks& books) {
  for (const auto check : {check_ledger, check_workers, check_leases, check_demands, check_service}) {
    if (std::string broken = check(books); !broken.empty()) {
      return broken;
    }
  }
  return "";
}

}  // namespace manta::sched
