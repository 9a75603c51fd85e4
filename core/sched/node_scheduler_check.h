// The invariants of NodeScheduler, checked from what its parts hold. For tests and the simulator.
#pragma once

#include <cstdint>
#include <string>

#include "core/sched/bookings.h"
#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

struct NodeBooks {
  const Ledger& ledger;
  const Demands& demands;
  const WorkerPool& pool;
  const LeaseTable& leases;
  const Bookings& bookings;
  std::uint32_t max_workers;
  bool starts_paused;  // no worker is started, after failures
  Time next_turn;      // of AskingBack
};

// The text of the first broken invariant, or "".
std::string first_broken(const NodeBooks& books);

}  // namespace manta::sched
