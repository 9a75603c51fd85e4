// Leases by id, and those that are being closed by deadline.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include <manta/ids.h>

#include "core/sched/resources.h"
#include "core/sched/shape.h"

namespace manta::sched {

struct Lease {
  LeaseId id;
  ClientId worker;
  ClientId submitter;
  Demand* demand = nullptr;  // null once its submitter is dead: the lease is closing
  Allocation allocation;
  Time granted{0};
  Time deadline = kNever;  // of closing
  bool blocked = false;    // its CPUs are released

  bool closing() const { return demand == nullptr; }
};

// Threading: none of its own. Ownership: owns the leases; addresses stay until erase.
class LeaseTable {
 public:
  // next_id: counted up, in the order of granting; others may do so too.
  explicit LeaseTable(std::uint64_t& next_id) : next_id_(next_id) {}

  Lease& add(ClientId worker, Demand& demand, Allocation allocation, Time now);
  // Null if unknown.
  Lease* find(LeaseId id);
  const Lease* find(LeaseId id) const;
  void set_blocked(Lease& lease, bool blocked);
  // The submitter is dead: the lease ends when the worker says so, at the latest at the deadline.
  void set_closing(Lease& lease, Time deadline);
  // The deadline has been acted on.
  void forget_deadline(const Lease& lease);
  void erase(Lease& lease);

  // By id, that is from the one granted first.
  const std::map<LeaseId, Lease>& all() const { return leases_; }
  const std::set<std::pair<Time, LeaseId>>& deadlines() const { return deadlines_; }
  // Blocked and not closing.
  std::size_t blocked() const { return blocked_; }

 private:
  std::uint64_t& next_id_;
  std::map<LeaseId, Lease> leases_;
  std::set<std::pair<Time, LeaseId>> deadlines_;
  std::size_t blocked_ = 0;
};

}  // namespace manta::sched
