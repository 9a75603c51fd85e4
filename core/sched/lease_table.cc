#include "core/sched/lease_table.h"

namespace manta::sched {

Lease& LeaseTable::add(ClientId worker, Demand& demand, Allocation allocation, Time now) {
  const LeaseId id{next_id_++};
  Lease& lease = leases_[id];
  lease.id = id;
  lease.worker = worker;
  lease.submitter = demand.client;
  lease.demand = &demand;
  lease.allocation = std::move(allocation);
  lease.granted = now;
  return lease;
}

Lease* LeaseTable::find(LeaseId id) {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

const Lease* LeaseTable::find(LeaseId id) const {
  const auto found = leases_.find(id);
  return found == leases_.end() ? nullptr : &found->second;
}

void LeaseTable::set_blocked(Lease& lease, bool blocked) {
  if (!lease.closing()) {
    blocked_ -= lease.blocked ? 1 : 0;
    blocked_ += blocked ? 1 : 0;
  }
  lease.blocked = blocked;
}

void LeaseTable::set_closing(Lease& lease, Time deadline) {
  blocked_ -= lease.blocked && !lease.closing() ? 1 : 0;
  lease.demand = nullptr;
  deadlines_.emplace(deadline, lease.id);
  lease.deadline = deadline;
}

void LeaseTable::forget_deadline(const Lease& lease) { deadlines_.erase({lease.deadline, lease.id}); }

void LeaseTable::erase(Lease& lease) {
  set_blocked(lease, false);
  forget_deadline(lease);
  leases_.erase(lease.id);
}

}  // namespace manta::sched
