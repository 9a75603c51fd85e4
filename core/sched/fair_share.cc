#include "core/sched/fair_share.h"

namespace manta::sched {

void FairShare::change(const Demand& demand, int held, int kept, int demands) {
  for (const Shape::Use& use : demand.shape->uses) {
    Book& book = books_[use.dimension];
    const auto [entry, added] = book.holdings.try_emplace(demand.client);
    Holding& holding = entry->second;
    const std::int64_t kept_before = holding.kept;
    holding.held += held * use.units;
    holding.kept += kept * use.units;
    holding.held_leases += held;
    holding.kept_leases += kept;
    holding.demands += demands;
    book.held += held * use.units;
    if (added || holding.kept != kept_before) {
      book.by_kept.erase({kept_before, demand.client});
      book.by_kept.emplace(holding.kept, demand.client);
    }
    if (holding == Holding()) {
      book.by_kept.erase({0, demand.client});
      book.holdings.erase(entry);
    }
  }
}

std::int64_t FairShare::share(Dimension dimension) const {
  const Book& book = books_[dimension];
  return book.holdings.empty() ? 0 : book.held / static_cast<std::int64_t>(book.holdings.size());
}

std::int64_t FairShare::held(Dimension dimension, ClientId client) const {
  const auto found = books_[dimension].holdings.find(client);
  return found == books_[dimension].holdings.end() ? 0 : found->second.held;
}

std::int32_t FairShare::kept_leases(Dimension dimension, ClientId client) const {
  const auto found = books_[dimension].holdings.find(client);
  return found == books_[dimension].holdings.end() ? 0 : found->second.kept_leases;
}

}  // namespace manta::sched
