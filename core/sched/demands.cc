#include "core/sched/demands.h"

#include <algorithm>

namespace manta::sched {

const Demands::Client* Demands::client(ClientId id) const {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : &found->second;
}

void Demands::leave(ClientId id, Time now) {
  const auto entry = clients_.find(id);
  if (entry == clients_.end()) return;
  for (auto& [index, demand] : entry->second.demands) {
    for (; demand.asked > 0; --demand.asked) {
      fair_.ask_settled(demand);
    }
    set_wanted(demand, 0, now);
    queue_.unbind(demand);
  }
  clients_.erase(entry);
}

bool Demands::submits(ClientId id) const {
  const Client* found = client(id);
  return found != nullptr && (!found->demands.empty() || !found->leases.empty());
}

std::uint32_t Demands::held(ClientId id, ShapeIndex shape) const {
  const Demand* demand = find(id, shape);
  return demand == nullptr ? 0 : demand->leases() + demand->booked;
}

std::vector<std::pair<ShapeIndex, std::uint32_t>> Demands::held_by(ClientId id) const {
  std::vector<std::pair<ShapeIndex, std::uint32_t>> all;
  const Client* found = client(id);
  if (found == nullptr) return all;
  for (const auto& [shape, demand] : found->demands) {
    if (const std::uint32_t n = demand.leases() + demand.booked; n > 0) all.emplace_back(shape, n);
  }
  return all;
}

const Demand* Demands::find(ClientId id, ShapeIndex shape) const {
  const Client* found = client(id);
  if (found == nullptr) return nullptr;
  const auto demand = found->demands.find(shape);
  return demand == found->demands.end() ? nullptr : &demand->second;
}

Demand* Demands::find(ClientId id, ShapeIndex shape) {
  return const_cast<Demand*>(std::as_const(*this).find(id, shape));
}

Demand& Demands::add(ClientId client, ShapeIndex index, const ResourceSet& request) {
  Demand& demand = clients_.find(client)->second.demands[index];
  demand.client = client;
  demand.index = index;
  queue_.bind(demand, request);
  return demand;
}

void Demands::set_wanted(Demand& demand, std::uint32_t wanted, Time now) {
  if (demand.wanted == 0 && wanted > 0) {
    fair_.demand_began(demand);
  } else if (demand.wanted > 0 && wanted == 0) {
    fair_.demand_ended(demand);
  }
  demand.wanted = wanted;
  queue_.refresh(demand, now);
}

void Demands::drop_if_unused(Demand& demand) {
  if (demand.wanted == 0 && demand.leases() == 0 && demand.booked == 0) {
    const auto client = clients_.find(demand.client);
    queue_.unbind(demand);
    client->second.demands.erase(demand.index);
  }
}

std::uint64_t Demands::served(Demand& demand) {
  const std::uint64_t arrival = demand.arrival;
  queue_.to_the_back(demand);
  fair_.lease_began(demand);
  demand.claim_units = std::max<std::int64_t>(0, demand.claim_units - demand.shape->units_of(demand.claim_dimension));
  demand.shape->patience.served();
  return arrival;
}

void Demands::booked(Demand& demand, Time now) {
  ++demand.booked;
  queue_.refresh(demand, now);
}

void Demands::booking_cancelled(Demand& demand, std::uint64_t arrival, Time now) {
  --demand.booked;
  fair_.lease_ended(demand);
  queue_.refresh(demand, now);
  if (demand.waiting) {
    demand.arrival = arrival;
    queue_.refresh(demand, now);
  }
}

void Demands::lease_opened(Demand& demand, LeaseId lease, Time now) {
  ++demand.active;
  queue_.refresh(demand, now);
  clients_.find(demand.client)->second.leases.insert(lease);
}

void Demands::lease_blocked(Demand& demand, Time now) {
  --demand.active;
  ++demand.blocked;
  fair_.lease_ended(demand);
  queue_.refresh(demand, now);
}

void Demands::lease_unblocked(Demand& demand, Time now) {
  ++demand.active;
  --demand.blocked;
  fair_.lease_began(demand);
  queue_.refresh(demand, now);
}

void Demands::asked_back(Demand& demand, Time now) {
  ++demand.asked;
  fair_.asked_back(demand);
  queue_.refresh(demand, now);
}

void Demands::lease_closed(const Lease& lease, bool had_turn, Time now) {
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
  if (had_turn) queue_.to_the_back(demand);
  queue_.refresh(demand, now);
  clients_.find(lease.submitter)->second.leases.erase(lease.id);
  drop_if_unused(demand);
}

void Demands::lease_closing(const Lease& lease) {
  if (!lease.blocked) fair_.lease_ended(*lease.demand);
}

}  // namespace manta::sched
