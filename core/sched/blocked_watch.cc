#include "core/sched/blocked_watch.h"

#include <algorithm>

namespace manta::sched {

bool BlockedWatch::overdue(Time now) {
  if (queue_.empty() || leases_.blocked() < limits_.max_workers) {
    since_ = kNever;
    return false;
  }
  if (since_ == kNever) {
    since_ = now;
    return false;
  }
  return now - since_ >= limits_.grace;
}

std::vector<Demand*> BlockedWatch::victims() const {
  std::vector<Demand*> all = queue_.all_waiting();
  std::erase_if(all, [&](const Demand* demand) { return !ledger_.fits(demand->shape->request); });
  const auto of_driver = [&](const Demand* demand) { return pool_.find(demand->client) == nullptr; };
  const bool nested = !std::all_of(all.begin(), all.end(), of_driver);
  if (nested) std::erase_if(all, of_driver);
  return all;
}

std::string BlockedWatch::why() const {
  return "all " + std::to_string(limits_.max_workers) +
         " worker processes of this node are blocked in get; raise InitOptions::max_workers or make tasks wait less "
         "deeply";
}

}  // namespace manta::sched
