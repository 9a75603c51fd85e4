// Demands of all clients: which wait, in which order, and which hold more leases than they want.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/sched/shape.h"

namespace manta::sched {

// Files demands by their counters. The owner changes a Demand's counters and calls refresh; nothing is filed wrongly
// in between events.
//
// Threading: none of its own. Ownership: owns the shapes; refers to demands, whose address must not change.
class DemandQueue {
 public:
  // total: of the ledger, which gives the named resources their dimensions.
  explicit DemandQueue(const ResourceSet& total)
      : total_(total), surplus_(kFirstNamed + total.named.size()), smallest_(surplus_.size()) {}

  // Ties the demand to the shape of the (feasible) request.
  void bind(Demand& demand, const ResourceSet& request);
  // Takes it out of everything, before it is destroyed.
  void unbind(Demand& demand);
  // After any change of its counters.
  void refresh(Demand& demand, Time now);
  // Behind all others of its priority with as few leases. Then refresh.
  void to_the_back(Demand& demand) { demand.arrival = ++last_arrival_; }

  bool empty() const { return fronts_.empty(); }
  // A client waits that has no lease of the shape at all.
  bool starving() const;
  // A client has or wants leases of a lower priority.
  bool any_below(std::int32_t priority) const { return !priorities_.empty() && priorities_.begin()->first < priority; }
  // Of each shape with waiting demands the one to be served first, in the order of service.
  const std::map<Rank, Demand*>& fronts() const { return fronts_; }
  // Whether there is a dimension of which every waiting demand needs more than is left: none can be served. (Not the
  // other way round: it looks at one dimension at a time.)
  bool all_lack(const Ledger& ledger) const;
  // All waiting demands, in the order of service.
  std::vector<Demand*> all_waiting() const;
  // Demands with more leases than they want, not all asked back, that use the dimension; by client and shape.
  const std::map<std::pair<ClientId, ShapeIndex>, Demand*>& surplus(Dimension dimension) const {
    return surplus_[dimension];
  }
  const std::map<ResourceSet, Shape>& shapes() const { return shapes_; }
  std::size_t dimensions() const { return surplus_.size(); }

 private:
  void file_waiting(Demand& demand, bool waits, Time now);
  void refile_front(Shape& shape, const Rank* old_front);
  void count_smallest(const Shape& shape, int sign);

  ResourceSet total_;
  std::map<ResourceSet, Shape> shapes_;  // addresses stay
  std::map<Rank, Demand*> fronts_;
  std::vector<std::map<std::pair<ClientId, ShapeIndex>, Demand*>> surplus_;  // by dimension
  std::vector<std::map<std::int64_t, std::int32_t>> smallest_;  // by dimension: units needed, by how many shapes
  std::map<std::int32_t, std::uint32_t> priorities_;            // how many shapes have it
  std::uint64_t last_arrival_ = 0;
};

}  // namespace manta::sched
