#include "core/sched/asking_back.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace manta::sched {

void AskingBack::ask_for_fronts(Time now) {
  constexpr int kFew = 8;  // the others are looked at when they set their demand, and in their turn
  Asks asks;
  int seen = 0;
  for (const auto& [rank, demand] : demands_.queue().fronts()) {
    if (++seen > kFew) {
      break;
    }
    ask_by_share(*demand, asks, now);
  }
  send(asks);
}

std::vector<Shape::Use> AskingBack::scarce(const Demand& demand) const {
  DimensionBits lacking = ledger_.lacking(demand.shape->request);
  if (lacking == 0 && pool_.size() >= limits_.max_workers) {
    lacking = bit_of(kWorkers);
  }
  std::vector<Shape::Use> uses;
  std::copy_if(demand.shape->uses.begin(), demand.shape->uses.end(), std::back_inserter(uses),
               [&](const Shape::Use& use) { return (lacking & bit_of(use.dimension)) != 0; });
  const auto price = [](const Shape::Use& use) {
    return use.dimension == kGpus ? 0 : use.dimension >= kFirstNamed ? 1 : use.dimension == kMemory ? 2 : 3;
  };
  std::stable_sort(uses.begin(), uses.end(), [&](const auto& a, const auto& b) { return price(a) < price(b); });
  return uses;
}

void AskingBack::ask_for(Demand& demand, Time now) {
  Asks asks;
  ask_by_share(demand, asks, now);
  send(asks);
}

void AskingBack::after_serving(Time now) {
  ask_for_fronts(now);
  if (ledger_.left(kCpus) >= 0) {
    overdrawn_since_ = kNever;
  } else if (overdrawn_since_ == kNever) {
    overdrawn_since_ = now;
  }
}

void AskingBack::schedule_turn(Time now) {
  if (demands_.queue().empty()) {
    next_turn_ = kNever;
  } else if (next_turn_ == kNever) {
    next_turn_ = now + limits_.turn;
  }
}

void AskingBack::tick(Time now) {
  if (now >= next_turn_) {
    take_turns(now);
    next_turn_ = now + limits_.turn;
  }
  if (overdrawn_since_ != kNever && now - overdrawn_since_ >= limits_.turn) {
    ask_for_released_cpus(now);
    overdrawn_since_ = kNever;  // the next event sees whether that was enough
  }
}

Time AskingBack::next_tick() const {
  return overdrawn_since_ == kNever ? next_turn_ : std::min(next_turn_, overdrawn_since_ + limits_.turn);
}

void AskingBack::ask_by_share(Demand& demand, Asks& asks, Time now) {
  const std::vector<Shape::Use> lacking = demand.waiting ? scarce(demand) : std::vector<Shape::Use>();
  if (lacking.empty()) {
    return;
  }
  const auto [dimension, units] = lacking.front();
  if (demand.claim_dimension != dimension) {
    demand.claim_dimension = dimension;
    demand.claim_units = 0;
  }
  const bool is_front = demand.shape->waiting.begin()->second == &demand;
  // What is free counts for the first in line alone. Free GPUs are in pieces, which need not fit together.
  const std::int64_t free = is_front && dimension != kGpus ? std::max<std::int64_t>(0, ledger_.left(dimension)) : 0;
  // No more than the node could ever give, however much it wants.
  const std::int64_t capacity = dimension == kWorkers ? limits_.max_workers : ledger_.capacity(dimension);
  const std::int64_t missing = std::min<std::int64_t>(demand.wanted - demand.held(), capacity / units);
  const auto& surplus = demands_.queue().surplus(dimension);
  while (!surplus.empty() && demand.claim_units < missing * units - free) {
    Demand& holder = *surplus.begin()->second;
    demand.claim_units += holder.shape->units_of(dimension);
    ask(holder, asks, now);
  }
  while (demands_.queue().any_below(demand.priority()) && demand.claim_units < missing * units - free) {
    Demand* holder = least_urgent(dimension, demand.priority());
    if (holder == nullptr) break;
    demand.claim_units += holder->shape->units_of(dimension);
    ask(*holder, asks, now);
  }
  const std::int64_t share = demands_.fair().share(dimension);
  const std::int64_t has = demands_.fair().held(dimension, demand.client);
  const std::int64_t entitled = std::max<std::int64_t>(has == 0 ? 1 : 0, (share - has) / units);
  while (demand.claim_units < std::min(missing, entitled) * units - free) {
    Demand* holder = donor(dimension, share, demand);
    if (holder == nullptr) {
      return;
    }
    demand.claim_units += holder->shape->units_of(dimension);
    ask(*holder, asks, now);
  }
}

// Of those below the priority the one with the lowest, and of these the one with most leases.
Demand* AskingBack::least_urgent(Dimension dimension, std::int64_t priority) {
  Demand* best = nullptr;
  for (auto& [id, client] : demands_.clients()) {
    for (auto& [index, demand] : client.demands) {
      const bool may = demand.priority() < priority && demand.active > demand.asked &&
                       demand.shape->units_of(dimension) != 0 && !demand.shape->request.own_worker;
      if (!may) continue;
      const auto order = [](const Demand& d) { return std::pair(-d.priority(), d.active - d.asked); };
      if (best == nullptr || order(demand) > order(*best)) best = &demand;
    }
  }
  return best;
}

// The client that keeps most, and of its shapes the one with most leases of which it can spare one. None of a higher
// priority than the receiver's.
Demand* AskingBack::donor(Dimension dimension, std::int64_t share, const Demand& receiver) {
  constexpr int kMaxTried = 8;  // some hold much in one big lease, which they keep
  int tried = 0;
  const FairShare::ByKept& by_kept = demands_.fair().by_kept(dimension);
  for (auto entry = by_kept.rbegin(); entry != by_kept.rend() && tried < kMaxTried; ++entry, ++tried) {
    const auto [kept, client] = *entry;
    if (kept <= share) {
      return nullptr;
    }
    if (client == receiver.client || demands_.fair().kept_leases(dimension, client) < 2) {
      continue;
    }
    Demand* best = nullptr;
    for (auto& [index, demand] : demands_.clients().find(client)->second.demands) {
      const std::int64_t units = demand.shape->units_of(dimension);
      if (units != 0 && demand.active > demand.asked && !demand.shape->request.own_worker && kept - units >= share &&
          demand.priority() <= receiver.priority() &&
          (best == nullptr || demand.active - demand.asked > best->active - best->asked)) {
        best = &demand;
      }
    }
    if (best != nullptr) {
      return best;
    }
  }
  return nullptr;
}

void AskingBack::take_turns(Time now) {
  const std::vector<Demand*> waiting = demands_.queue().all_waiting();
  Asks asks;
  for (Demand* demand : waiting) {
    // What was asked for a turn ago may be held by a long task; ask for more.
    demand->claim_units = 0;
    ask_by_share(*demand, asks, now);
  }
  ask_by_turn(waiting, asks, now);
  send(asks);
}

void AskingBack::ask_by_turn(const std::vector<Demand*>& waiting, Asks& asks, Time now) {
  std::vector<Demand*> holders;  // one entry for each lease that had its turn, oldest first
  for (const auto& [id, lease] : leases_.all()) {
    if (!lease.closing() && !lease.blocked && now - lease.granted >= limits_.turn &&
        !lease.demand->shape->request.own_worker) {
      holders.push_back(lease.demand);
    }
  }
  std::vector<std::size_t> next(demands_.queue().dimensions(), 0);  // by dimension: holders before it have been asked
  std::vector<std::int64_t> free(demands_.queue().dimensions());
  for (Dimension d = 0; d < free.size(); ++d) {
    free[d] = d == kGpus ? 0 : std::max<std::int64_t>(0, ledger_.left(d));
  }
  for (Demand* demand : waiting) {
    if (demand->held() > 0 || now - demand->waiting_since < limits_.turn) {
      continue;
    }
    std::vector<Shape::Use> missing = scarce(*demand);
    for (Shape::Use& use : missing) {
      use.units -= std::exchange(free[use.dimension], 0);
      use.units -= demand->claim_dimension == use.dimension ? demand->claim_units : 0;
    }
    for (const Shape::Use& use : missing) {
      for (std::size_t& at = next[use.dimension]; use.units > 0 && at < holders.size(); ++at) {
        Demand& holder = *holders[at];
        if (holder.shape->units_of(use.dimension) != 0 && holder.active > holder.asked &&
            holder.priority() <= demand->priority()) {
          ask(holder, asks, now);
          for (Shape::Use& other : missing) {
            other.units -= holder.shape->units_of(other.dimension);
          }
        }
      }
    }
  }
}

void AskingBack::ask_for_released_cpus(Time now) {
  std::int64_t owed = -ledger_.left(kCpus);
  for (const auto& [id, client] : demands_.clients()) {
    for (const auto& [index, demand] : client.demands) owed -= demand.asked * demand.shape->units_of(kCpus);
  }
  Asks asks;
  while (owed > 0) {
    Demand* holder = least_urgent(kCpus, std::numeric_limits<std::int64_t>::max());
    if (holder == nullptr) break;
    owed -= holder->shape->units_of(kCpus);
    ask(*holder, asks, now);
  }
  send(asks);
}

void AskingBack::ask(Demand& holder, Asks& asks, Time now) {
  demands_.asked_back(holder, now);
  ++asks[{holder.client, holder.index}];
}

void AskingBack::send(const Asks& asks) {
  for (const auto& [holder, count] : asks) {
    effects_.ask_back(holder.first, holder.second, count);
  }
}

}  // namespace manta::sched
