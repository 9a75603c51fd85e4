// Notices when nothing on a node goes on: every worker is blocked, and there is no place for another.
//
// Some blocked worker may be about to go on (its message is under way, or it waits for another node), so it must last
// for a while.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/sched/demand_queue.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

// Threading: none of its own. Ownership: all references must outlive it.
class BlockedWatch {
 public:
  struct Limits {
    std::uint32_t max_workers;
    Time grace;  // how long all workers must be blocked before waiting demands fail
  };

  BlockedWatch(const Ledger& ledger, const DemandQueue& queue, const WorkerPool& pool, const LeaseTable& leases,
               const Limits& limits)
      : ledger_(ledger), queue_(queue), pool_(pool), leases_(leases), limits_(limits) {}

  // Call it after each event. True: it has lasted; refuse victims(), then call restart.
  bool overdue(Time now);
  // The demands that the blocked workers themselves wait for, without which these go on; if there are none, all that
  // lack nothing but a worker.
  std::vector<Demand*> victims() const;
  void restart(Time now) { since_ = queue_.empty() ? kNever : now; }
  // Why the victims are refused, for people.
  std::string why() const;
  // When it may be overdue; kNever: some worker runs.
  Time next_tick() const { return since_ == kNever ? kNever : since_ + limits_.grace; }

 private:
  const Ledger& ledger_;
  const DemandQueue& queue_;
  const WorkerPool& pool_;
  const LeaseTable& leases_;
  Limits limits_;
  Time since_ = kNever;
};

}  // namespace manta::sched
