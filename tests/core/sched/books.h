// What the parts of a NodeScheduler share, without the scheduler.
#pragma once

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/worker_pool.h"
#include "tests/core/sched/recorded_scheduler.h"

namespace manta::sched {

struct Books {
  explicit Books(const ResourceSet& total) : ledger(total), demands(total), pool(ids.client), leases(ids.lease) {}

  // A demand of a client that joins if it has not.
  Demand& want(std::uint64_t client, const ResourceSet& request, std::uint32_t wanted, Time now = Time{0}) {
    demands.join(ClientId{client});
    Demand& demand = demands.add(ClientId{client}, 0, request);
    demands.set_wanted(demand, wanted, now);
    return demand;
  }
  Worker& idle_worker(Time now = Time{0}) {
    Worker& worker = pool.add_starting({});
    pool.set_idle(worker, now);
    return worker;
  }
  // A lease of the demand on a worker of its own.
  Lease& lease(Demand& demand, Time now = Time{0}) {
    Worker& worker = idle_worker(now);
    demands.served(demand);
    Lease& lease = leases.add(worker.id, demand, std::move(*ledger.take(demand.shape->request)), now);
    demands.lease_opened(demand, lease.id, now);
    pool.set_leased(worker, lease.id);
    return lease;
  }
  void block(Lease& lease) {
    leases.set_blocked(lease, true);
    ledger.release_cpus(lease.allocation);
    demands.lease_blocked(*lease.demand, Time{0});
  }

  NextIds ids{100, 1};
  Ledger ledger;
  Demands demands;
  WorkerPool pool;
  LeaseTable leases;
};

}  // namespace manta::sched
