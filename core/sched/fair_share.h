// How much of each dimension each client holds, and which have more than a fair share of it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/shape.h"

namespace manta::sched {

// The fair share of a dimension is what is held of it by leases that are not blocked, divided by the clients that want
// or hold some. Leases asked back count as still held, but no longer as kept.
//
// Threading: none of its own. Every call is O(log clients) for each dimension the shape uses.
class FairShare {
 public:
  struct Holding {
    std::int64_t held = 0;  // units, by leases that are not blocked
    std::int64_t kept = 0;  // held, less what was asked back
    std::int32_t held_leases = 0;
    std::int32_t kept_leases = 0;
    std::int32_t demands = 0;  // that want some
    friend bool operator==(const Holding&, const Holding&) = default;
  };
  using ByKept = std::set<std::pair<std::int64_t, ClientId>>;

  explicit FairShare(std::size_t dimensions) : books_(dimensions) {}

  void demand_began(const Demand& demand) { change(demand, 0, 0, +1); }
  void demand_ended(const Demand& demand) { change(demand, 0, 0, -1); }
  void lease_began(const Demand& demand) { change(demand, +1, +1, 0); }
  void lease_ended(const Demand& demand) { change(demand, -1, -1, 0); }
  void asked_back(const Demand& demand) { change(demand, 0, -1, 0); }
  void ask_settled(const Demand& demand) { change(demand, 0, +1, 0); }

  std::int64_t share(Dimension dimension) const;
  std::int64_t held(Dimension dimension, ClientId client) const;
  // How many leases it would still have in the dimension if it returned what was asked back.
  std::int32_t kept_leases(Dimension dimension, ClientId client) const;
  // Clients by what they keep, least first.
  const ByKept& by_kept(Dimension dimension) const { return books_[dimension].by_kept; }
  const std::map<ClientId, Holding>& holdings(Dimension dimension) const { return books_[dimension].holdings; }

 private:
  struct Book {
    std::map<ClientId, Holding> holdings;
    ByKept by_kept;
    std::int64_t held = 0;
  };

  // Counts of leases and demands to add; units follow from the shape.
  void change(const Demand& demand, int held, int kept, int demands);

  std::vector<Book> books_;  // by dimension
};

}  // namespace manta::sched
