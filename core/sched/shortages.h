// Why demands of a node are not granted, for people: `manta why`, and errors.
#pragma once

#include <cstdint>
#include <string>

#include <manta/ids.h>

#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/shortage.h"
#include "core/sched/worker_lifetimes.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

// Threading: none of its own. Ownership: all references must outlive it.
class Shortages {
 public:
  Shortages(const Ledger& ledger, const Demands& demands, const WorkerPool& pool, const LeaseTable& leases,
            const StartFailures& failures, std::uint32_t max_workers)
      : ledger_(ledger),
        demands_(demands),
        pool_(pool),
        leases_(leases),
        failures_(failures),
        max_workers_(max_workers) {}

  // Why the oldest waiting demand of the client is not granted; empty if none waits.
  std::string why_waiting(ClientId submitter) const;
  // Why the client has fewer leases of the shape than it wants, and which workers have what it lacks.
  Shortage of(ClientId submitter, ShapeIndex shape) const;
  // The same of a request that no client has stated here.
  Shortage of(const ResourceSet& request) const;

 private:
  std::string why_not_granted(const ResourceSet& request) const;
  std::string retry() const;  // of a start, after a failure

  const Ledger& ledger_;
  const Demands& demands_;
  const WorkerPool& pool_;
  const LeaseTable& leases_;
  const StartFailures& failures_;
  std::uint32_t max_workers_;
};

}  // namespace manta::sched
