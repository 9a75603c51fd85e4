// Which waiting demand gets which worker. Demands are served in order; a worker is reused, else one is started.
//
// A shape that lacks resources is passed by the shapes behind it, until its patience ends. Then all of what it lacks is
// held for it, and as much as it needs of the rest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/sched/bookings.h"
#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/worker_pool.h"
#include "core/sched/worker_source.h"

namespace manta::sched {

struct Grant {
  LeaseId lease;
  ClientId worker;
  ShapeIndex shape = 0;
  std::vector<GpuShare> gpus;
};

class GrantEffects {
 public:
  virtual ~GrantEffects() = default;
  // worker may be the submitter itself: one that is idle because its task ended before the tasks which that submitted.
  virtual void grant(ClientId submitter, const Grant& grant) = 0;
  // The demand is void, as if withdrawn; leases stay. why: complete sentence for people.
  virtual void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) = 0;
};

// Threading: none of its own. Ownership: owns the bookings; all references must outlive it.
class Placing {
 public:
  Placing(Ledger& ledger, Demands& demands, WorkerPool& pool, LeaseTable& leases, WorkerSource& workers,
          GrantEffects& effects)
      : ledger_(ledger), demands_(demands), pool_(pool), leases_(leases), workers_(workers), effects_(effects) {}

  // Grants while resources and workers last.
  void serve(Time now) {
    while (serve_one(now)) {
    }
  }
  // The worker is free: the oldest booking that may have it gets it, or it idles.
  void supply(Worker& worker, Time now);

  // The demand holds more than it wants: gives back its newest bookings.
  void trim(Demand& demand, Time now);
  void cancel_bookings(Demand& demand, Time now);
  // A worker process of the outfit was not started: gives back the booking that has none left.
  void start_failed(const Outfit& outfit, Time now);
  // The demand is void, as after its withdrawal; what it holds it keeps.
  void refuse(Demand& demand, const std::string& why, Time now);
  // No worker process starts: refuses the demands that only a new one would serve.
  void refuse_unstartable(const std::string& why, Time now);

  // Resources are held for a shape until then; kNever: none are.
  Time next_hold_end() const { return next_hold_end_; }
  const Bookings& bookings() const { return bookings_; }

 private:
  class Holds;

  bool serve_one(Time now);
  bool place(Demand& demand, Time now);
  void open_lease(Demand& demand, Allocation allocation, Worker& worker, Time now);
  void give_back(Booking booking, Time now);
  void cancel_newest(Demand& demand, Time now);

  Ledger& ledger_;
  Demands& demands_;
  WorkerPool& pool_;
  LeaseTable& leases_;
  WorkerSource& workers_;
  GrantEffects& effects_;
  Bookings bookings_;  // never more than starting workers of the outfit
  Time next_hold_end_ = kNever;
};

}  // namespace manta::sched
