// NodeScheduler: which invariant is broken, and why a demand waits.
#include <algorithm>

#include "core/sched/node_scheduler.h"

namespace manta::sched {

namespace {

std::string name_of(ClientId id) { return "client " + std::to_string(id.value); }
std::string name_of(LeaseId id) { return "lease " + std::to_string(id.value); }
std::string name_of(const Demand& demand) {
  return name_of(demand.client) + "'s shape " + std::to_string(demand.index);
}

}  // namespace

std::string NodeScheduler::why_waiting(ClientId submitter) const {
  const auto client = clients_.find(submitter);
  if (client == clients_.end()) {
    return "";
  }
  const Demand* oldest = nullptr;
  bool booked = false;
  for (const auto& [index, demand] : client->second.demands) {
    booked = booked || demand.booked > 0;
    if (demand.waiting && (oldest == nullptr || demand.arrival < oldest->arrival)) {
      oldest = &demand;
    }
  }
  if (oldest == nullptr) {
    return booked ? "a worker process is being started" : "";
  }
  return why_not_granted(oldest->shape->request);
}

std::string NodeScheduler::retry() const {
  return "the last attempt to start a worker process failed with \"" + last_failure_ + "\"; it is tried again";
}

std::string NodeScheduler::why_not_granted(const ResourceSet& request) const {
  if (!ledger_.fits(request)) {
    return ledger_.why_not_now(request);
  }
  if (pool_.size() >= config_.max_workers) {
    return "all " + std::to_string(config_.max_workers) + " worker processes of this node are in use, " +
           std::to_string(leases_.blocked()) + " of them blocked in get (InitOptions::max_workers)";
  }
  const bool starting = pool_.starting({{}, request.env}) > 0;
  if (failures_in_a_row_ > 0 || (starting && !last_failure_.empty())) {
    return retry();
  }
  if (starting) return "a worker process is being started";
  return "what it asks for (" + request.to_string() + ") is kept free for a bigger request that has waited longer";
}

namespace {

// What would help one that lacks the dimensions.
std::string advice_for(DimensionBits lacking, const ResourceSet& request) {
  std::string options;
  const auto add = [&](std::string_view option) {
    options += options.empty() ? "" : " and ";
    options += option;
  };
  if (lacking & bit_of(kCpus)) add("InitOptions::num_cpus");
  if (lacking & bit_of(kGpus)) add("InitOptions::num_gpus");
  if (lacking & bit_of(kMemory)) add("InitOptions::memory_bytes");
  const bool named = (lacking & ~(bit_of(kCpus) | bit_of(kGpus) | bit_of(kMemory) | bit_of(kWorkers))) != 0;
  if (named && !request.named.empty()) add("InitOptions::resources");
  return "end what holds it, let it hold less, or raise " + options;
}

}  // namespace

Shortage NodeScheduler::shortage(ClientId submitter, ShapeIndex index) const {
  const auto client = clients_.find(submitter);
  if (client == clients_.end()) return {};
  const auto demand = client->second.demands.find(index);
  if (demand == client->second.demands.end()) return {};
  if (!demand->second.waiting) {
    Shortage shortage;
    if (demand->second.booked > 0)
      shortage.what = last_failure_.empty() ? "a worker process is being started" : retry();
    return shortage;
  }
  return shortage_of(demand->second.shape->request);
}

Shortage NodeScheduler::shortage_of(const ResourceSet& request) const {
  Shortage shortage;
  shortage.what = why_not_granted(request);
  const DimensionBits lacking = ledger_.lacking(request);
  const bool workers = lacking == 0 && pool_.size() >= config_.max_workers;
  if (lacking != 0) {
    shortage.advice = advice_for(lacking, request);
  } else if (workers) {
    shortage.advice = "end actors, let tasks wait less deeply, or raise InitOptions::max_workers";
  }
  for (const auto& [id, lease] : leases_.all()) {
    const ResourceSet& taken = lease.allocation.taken;
    const auto names_one = [&](const NamedAmount& held) {
      return std::any_of(request.named.begin(), request.named.end(),
                         [&](const NamedAmount& asked) { return asked.name == held.name; });
    };
    const bool cpus = (lacking & bit_of(kCpus)) != 0 && !taken.cpus.zero() && !lease.blocked;
    const bool gpus = (lacking & bit_of(kGpus)) != 0 && !taken.gpus.zero();
    const bool memory = (lacking & bit_of(kMemory)) != 0 && taken.memory_bytes != 0;
    const bool named = (lacking >> kFirstNamed) != 0 && std::any_of(taken.named.begin(), taken.named.end(), names_one);
    if (workers || cpus || gpus || memory || named) {
      shortage.holders.push_back({lease.worker, taken.own_worker, lease.granted});
    }
  }
  return shortage;
}

std::string NodeScheduler::check_invariants() const {
  for (const auto check : {&NodeScheduler::check_ledger, &NodeScheduler::check_workers, &NodeScheduler::check_leases,
                           &NodeScheduler::check_demands, &NodeScheduler::check_service}) {
    if (std::string broken = (this->*check)(); !broken.empty()) {
      return broken;
    }
  }
  return "";
}

std::string NodeScheduler::check_ledger() const {
  Ledger books(config_.total);
  const auto add = [&](ResourceSet& sum, const Allocation& allocation, bool lent) {
    sum.cpus += lent ? Amount() : allocation.taken.cpus;
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
  ResourceSet sum = ledger_.available();
  std::vector<Amount> gpus(static_cast<std::size_t>(ledger_.total().gpus.to_double()));
  const auto add_gpus = [&](const Allocation& allocation) {
    for (const GpuShare& share : allocation.gpus) {
      gpus.resize(std::max<std::size_t>(gpus.size(), share.index + 1));
      gpus[share.index] += share.amount;
      sum.gpus += share.amount;
    }
  };
  for (const auto& [id, lease] : leases_.all()) {
    add(sum, lease.allocation, lease.blocked);
    add_gpus(lease.allocation);
  }
  for (const auto& [set, bookings] : bookings_) {
    for (const Booking& booking : bookings) {
      add(sum, booking.allocation, false);
      add_gpus(booking.allocation);
    }
  }
  std::sort(sum.named.begin(), sum.named.end());
  if (sum != ledger_.total()) {
    return "SCHED-1: what is left and what is allocated sum up to " + sum.to_string() + " instead of " +
           ledger_.total().to_string();
  }
  const bool overbooked = std::any_of(gpus.begin(), gpus.end(), [](Amount used) { return used.units() > 10'000; });
  return overbooked ? "SCHED-1: more than all of one GPU is allocated" : "";
}

std::string NodeScheduler::check_workers() const {
  if (pool_.size() > config_.max_workers) {
    return "SCHED-7: " + std::to_string(pool_.size()) + " workers, at most " + std::to_string(config_.max_workers);
  }
  std::size_t leased = 0;
  std::map<Outfit, std::size_t> starting;
  for (const auto& [id, worker] : pool_.all()) {
    starting[worker.outfit] += worker.state == WorkerState::starting ? 1 : 0;
    const Lease* lease = leases_.find(worker.lease);
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
  if (leased != leases_.all().size()) {
    return "SCHED-2: two leases of one worker, or a lease of a worker that is gone";
  }
  for (const auto& [outfit, bookings] : bookings_) {
    if (bookings.empty() || bookings.size() > starting[outfit]) {
      return "a demand is booked for a worker that is not being started";
    }
  }
  return "";
}

std::string NodeScheduler::check_leases() const {
  std::size_t held = 0;
  for (const auto& [id, client] : clients_) {
    held += client.leases.size();
    for (LeaseId lease_id : client.leases) {
      const Lease* lease = leases_.find(lease_id);
      if (lease == nullptr || lease->submitter != id || lease->closing()) {
        return name_of(id) + " is said to hold " + name_of(lease_id) + ", but does not";
      }
    }
  }
  std::size_t blocked = 0;
  for (const auto& [id, lease] : leases_.all()) {
    blocked += lease.blocked && !lease.closing() ? 1 : 0;
    held += lease.closing() ? 1 : 0;
    const Worker* worker = pool_.find(lease.worker);
    const bool watched = leases_.deadlines().contains({lease.deadline, id}) ||
                         (worker != nullptr && worker->state == WorkerState::dying);
    if (lease.closing() && (clients_.contains(lease.submitter) || !watched)) {
      return "SCHED-5: " + name_of(id) + " is closing for ever, or its submitter is alive";
    }
  }
  if (blocked != leases_.blocked()) {
    return "blocked leases are miscounted";
  }
  return held == leases_.all().size() ? "" : "SCHED-5: a lease has no holder";
}

std::string NodeScheduler::check_demands() const {
  FairShare fair(queue_.dimensions());
  std::size_t demands = 0;
  for (const auto& [id, client] : clients_) {
    std::map<ShapeIndex, Demand> counted;
    for (LeaseId lease_id : client.leases) {
      const Lease& lease = *leases_.find(lease_id);
      Demand& count = counted[lease.demand->index];
      ++(lease.blocked ? count.blocked : count.active);
    }
    for (const auto& [outfit, bookings] : bookings_) {
      for (const Booking& booking : bookings) {
        counted[booking.demand->index].booked += booking.demand->client == id ? 1 : 0;
      }
    }
    for (const auto& [index, demand] : client.demands) {
      ++demands;
      const Demand& count = counted[index];
      if (count.active != demand.active || count.blocked != demand.blocked || count.booked != demand.booked) {
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
  for (const auto& [request, shape] : queue_.shapes()) {
    demands -= shape.demands;
    const auto front = shape.waiting.begin();
    if (front != shape.waiting.end() && !queue_.fronts().contains(front->first)) {
      return "SCHED-6: no demand of a shape is first";
    }
  }
  for (Dimension d = 0; d < queue_.dimensions(); ++d) {
    if (fair.holdings(d) != fair_.holdings(d) || fair.by_kept(d) != fair_.by_kept(d)) {
      return "what clients hold of dimension " + std::to_string(d) + " is miscounted";
    }
  }
  return demands == 0 ? "" : "demands and shapes do not go together";
}

// No demand waits for free resources, unless they are held for another demand.
std::string NodeScheduler::check_service() const {
  const bool makes_space = pool_.size() >= config_.max_workers && pool_.dying() > 0;
  const bool held = makes_space || std::any_of(queue_.fronts().begin(), queue_.fronts().end(), [](const auto& front) {
                      return front.second->shape->patience.hold_until() != kNever;
                    });
  for (const auto& [rank, demand] : queue_.fronts()) {
    const ResourceSet& request = demand->shape->request;
    const bool room = request.reservation || pool_.newest_idle({{}, request.env}, request.own_worker) != nullptr ||
                      (pool_.size() < config_.max_workers && start_after_ == Time{0});
    if (!held && request.gpus.zero() && ledger_.fits(request) && room) {
      return "SCHED-6: " + name_of(*demand) + " waits although it could be served";
    }
  }
  if (!queue_.empty() && next_turn_ == kNever) {
    return "a demand waits, but no tick was asked for";
  }
  return "";
}

}  // namespace manta::sched
