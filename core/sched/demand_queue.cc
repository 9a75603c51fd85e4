#include "core/sched/demand_queue.h"

#include <algorithm>

namespace manta::sched {

void DemandQueue::bind(Demand& demand, const ResourceSet& request) {
  Shape& shape = shapes_[request];
  if (shape.demands++ == 0) {
    shape.request = request;
    ++priorities_[request.priority];
    const auto use = [&](Dimension dimension, std::int64_t units) {
      if (units != 0) {
        shape.uses.push_back({dimension, units});
        shape.bits |= bit_of(dimension);
      }
    };
    use(kCpus, request.cpus.units());
    use(kGpus, request.gpus.units());
    use(kMemory, static_cast<std::int64_t>(request.memory_bytes));
    use(kWorkers, 1);
    for (const NamedAmount& resource : request.named) {
      const auto at = std::lower_bound(total_.named.begin(), total_.named.end(), resource.name,
                                       [](const NamedAmount& a, const std::string& name) { return a.name < name; });
      use(kFirstNamed + static_cast<Dimension>(at - total_.named.begin()), resource.amount.units());
    }
  }
  demand.shape = &shape;
}

void DemandQueue::unbind(Demand& demand) {
  demand.wanted = 0;
  demand.active = demand.blocked = demand.booked = 0;
  refresh(demand, Time{0});
  if (--demand.shape->demands == 0) {
    const auto found = shapes_.find(demand.shape->request);
    const auto priority = priorities_.find(found->first.priority);
    if (--priority->second == 0) priorities_.erase(priority);
    shapes_.erase(found);
  }
  demand.shape = nullptr;
}

void DemandQueue::refresh(Demand& demand, Time now) {
  file_waiting(demand, demand.wanted > demand.held(), now);
  const bool surplus = demand.active > demand.asked && demand.active - demand.asked > demand.wanted;
  if (surplus != demand.surplus) {
    demand.surplus = surplus;
    for (const Shape::Use& use : demand.shape->uses) {
      if (surplus) {
        surplus_[use.dimension].emplace(std::pair(demand.client, demand.index), &demand);
      } else {
        surplus_[use.dimension].erase({demand.client, demand.index});
      }
    }
  }
}

void DemandQueue::file_waiting(Demand& demand, bool waits, Time now) {
  if (waits && !demand.waiting) {
    demand.waiting_since = now;
    demand.claim_units = 0;
    to_the_back(demand);
  }
  const Rank rank = demand.place();
  if (waits == demand.waiting && (!waits || rank == demand.rank)) {
    return;
  }
  Shape& shape = *demand.shape;
  const bool had_front = !shape.waiting.empty();
  const Rank old_front = had_front ? shape.waiting.begin()->first : Rank();
  if (demand.waiting) {
    shape.waiting.erase(demand.rank);
  }
  demand.waiting = waits;
  if (waits) {
    demand.rank = rank;
    shape.waiting.emplace(rank, &demand);
  }
  refile_front(shape, had_front ? &old_front : nullptr);
}

void DemandQueue::refile_front(Shape& shape, const Rank* old_front) {
  if (old_front != nullptr) {
    fronts_.erase(*old_front);
  }
  if (const int change = (shape.waiting.empty() ? 0 : 1) - (old_front == nullptr ? 0 : 1); change != 0) {
    count_smallest(shape, change);
  }
  if (shape.waiting.empty()) {
    shape.patience.served();  // no demand waits: the next one starts with a clean record
  } else {
    fronts_.emplace(*shape.waiting.begin());
  }
}

void DemandQueue::count_smallest(const Shape& shape, int sign) {
  for (Dimension d = 0; d < smallest_.size(); ++d) {
    const auto entry = smallest_[d].try_emplace(shape.units_of(d)).first;
    entry->second += sign;
    if (entry->second == 0) {
      smallest_[d].erase(entry);
    }
  }
}

bool DemandQueue::all_lack(const Ledger& ledger) const {
  for (Dimension d = 0; d < smallest_.size(); ++d) {
    if (d != kWorkers && !smallest_[d].empty() &&
        smallest_[d].begin()->first > std::max<std::int64_t>(0, ledger.left(d))) {
      return true;
    }
  }
  return false;
}

bool DemandQueue::starving() const {
  for (auto front = fronts_.begin(); front != fronts_.end();) {
    if (front->first.held == 0) {
      return true;
    }
    front = fronts_.lower_bound({front->first.below + 1, 0, 0});  // the first of a priority has the fewest leases of it
  }
  return false;
}

std::vector<Demand*> DemandQueue::all_waiting() const {
  std::vector<std::pair<Rank, Demand*>> ranked;
  for (const auto& [front_rank, front] : fronts_) {
    ranked.insert(ranked.end(), front->shape->waiting.begin(), front->shape->waiting.end());
  }
  // Ranks are distinct, so the pointers never decide.
  std::sort(ranked.begin(), ranked.end());
  std::vector<Demand*> demands;
  for (const auto& [rank, demand] : ranked) {
    demands.push_back(demand);
  }
  return demands;
}

}  // namespace manta::sched
