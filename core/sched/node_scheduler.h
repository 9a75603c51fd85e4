// Decides, on one node, which submitter gets a lease on which worker. Sans-I/O: events in, effects out.
//
// A submitter states per resource shape how many leases it wants to hold (a level, not a stream of requests). The
// scheduler grants while resources last, starts workers, asks back where others starve, and cleans up after the dead.
//
// Each part has a header with its rules and its effects: placing.h (which demand gets which worker), worker_lifetimes.h
// (which workers are started and ended), asking_back.h (which leases are asked back), blocked_watch.h (when all workers
// are blocked), shortages.h (why a demand waits). They share the ledger, the demands, the worker pool and the lease
// table. NodeScheduler takes the events, and does what concerns several parts.
//
//   SCHED-1  resources are conserved: available + sum of allocations (less released CPUs) == total at every step
//   SCHED-2  a worker is leased to at most one submitter at a time
//   SCHED-3  a worker that has seen GPUs, or has an environment of its own, is only ever leased with the same ones
//   SCHED-4  an infeasible demand is answered by infeasible() in the same event, and never queued
//   SCHED-5  a submitter's death returns all it held: idle workers at once, others once their ring is closed
//   SCHED-6  no demand starves among those of its priority: they are served in order of arrival, those with fewer
//            leases of the shape first. Higher priorities go before, and leases of lower ones are asked back for them
//   SCHED-7  started + idle + leased + dying workers <= max_workers
//   SCHED-8  a living submitter is notified of the end of every lease that it has not returned itself
//   SCHED-9  an actor's demand (own_worker) ends when its lease ends. So no worker is started for an actor that has
//            ended, in whatever order the submitter's messages and the worker's death are noticed
//
// Threading: one thread (the daemon's loop). Ownership: owns the parts; effects must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/asking_back.h"
#include "core/sched/blocked_watch.h"
#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/placing.h"
#include "core/sched/resources.h"
#include "core/sched/shape.h"
#include "core/sched/shortages.h"
#include "core/sched/worker_lifetimes.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

// A worker, and what it does.
struct Occupant {
  enum class Kind : std::uint8_t { idle, task, actor };
  ClientId worker;
  Kind kind = Kind::idle;
  Time since{0};  // of its lease, or of idling
};

enum class LeaseEnd : std::uint8_t { worker_died, revoked };

// Called in the middle of an event: they must not call the scheduler back, but leave that for later.
class NodeSchedulerEffects : public WorkerEffects, public GrantEffects, public AskEffects {
 public:
  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override = 0;
  void kill_worker(ClientId worker) override = 0;
  void grant(ClientId submitter, const Grant& grant) override = 0;
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override = 0;
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override = 0;
  // The lease is over without the submitter's doing. status: "killed by signal 9 (SIGKILL)", as given to client_left.
  virtual void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) = 0;
  // The worker should forget the submitter; it answers by ring_closed once nothing of it runs any more.
  virtual void close_ring(ClientId worker, ClientId submitter) = 0;
};

struct NodeSchedulerConfig {
  ResourceSet total;
  std::uint64_t first_client_id = 1;  // ids of workers that it starts count up from here
  std::shared_ptr<NextIds> ids;       // of schedulers that share them; null: its own, from first_client_id
  std::optional<Allocation> part;     // what it has is this, instead of the whole of `total`
  // Whether a worker of this scheduler has demands or leases at another one: then it does not end. Null: at none.
  std::function<bool(ClientId)> submits_elsewhere;
  std::uint32_t max_workers = 4096;
  std::uint32_t warm_workers = 0;                   // kept ready while idle; started at once
  Time idle_worker_life = std::chrono::seconds(5);  // surplus idle workers end after this
  Time close_ring_grace = std::chrono::seconds(2);  // then a worker that still runs a dead one's task is killed
  Time turn = std::chrono::milliseconds(50);   // demands without a lease ask back leases that were held for this long
  Time start_retry = std::chrono::seconds(1);  // pause after failures to start workers
  Time all_blocked_grace = std::chrono::seconds(1);  // how long all workers must be blocked before waiting demands fail
};

class NodeScheduler {
 public:
  NodeScheduler(NodeSchedulerConfig config, NodeSchedulerEffects& effects);

  // Starts the warm workers.
  void start(Time now) { serve(now); }
  // A process that may submit. Workers are known from start_worker on and join when they have started.
  void driver_joined(ClientId driver, Time) { demands_.join(driver); }
  void worker_started(ClientId worker, Time now);
  // The process could not be started: counts as left; after 3 in a row the waiting demands get infeasible(status).
  void worker_failed(ClientId worker, const std::string& status, Time now) { client_left(worker, status, now); }
  // The process has ended, driver or worker. Idempotent. status: for people, "killed by signal 9 (SIGKILL)".
  void client_left(ClientId client, const std::string& status, Time now);

  // wanted counts leases that do not run a blocked task, and all of actors (own_worker); for another worker after the
  // end of an actor's it is stated again. 0 withdraws. Unknown clients (late messages) are ignored.
  void set_demand(ClientId submitter, ShapeIndex shape, const ResourceSet& request, std::uint32_t wanted, Time now);
  void return_lease(ClientId submitter, LeaseId lease, Time now);
  // The task running under the worker's lease waits in get (its CPUs are released), or goes on. Idempotent each.
  void blocked(ClientId worker, Time now);
  void unblocked(ClientId worker, Time now);
  void ring_closed(ClientId worker, ClientId submitter, Time now);
  // Ends idle workers and overdue closings. Returns when it wants to be called again (Time::max(): no need).
  Time tick(Time now);

  // For good: demands get infeasible(why), workers end. Keep it until they are gone: empty().
  void close(const std::string& why, Time now);
  // Processes that have started and are not ending; idle ones only if no process needs what they own.
  void add_occupants(std::vector<Occupant>& all) const;
  bool empty() const { return pool_.size() == 0; }
  // What the lease took; null: there is none.
  const Allocation* allocation_of(LeaseId lease) const {
    const Lease* found = leases_.find(lease);
    return found != nullptr ? &found->allocation : nullptr;
  }
  // Whether it has demands or leases here.
  bool submits(ClientId client) const { return demands_.submits(client); }

  // The idle worker owns objects that others still refer to, or no longer: while it does, it is not ended for being
  // idle or to free its place. (A worker with leases or demands of its own is never ended so.) Ignores unknown workers.
  void keep_alive(ClientId worker, bool keep, Time now);
  // When tick wants to be called; any event may change it. kNever: no need.
  Time next_tick() const;

  // Per shape of the client, if any: leases that it has, those included for which a worker is being started.
  std::vector<std::pair<ShapeIndex, std::uint32_t>> held_by(ClientId client) const { return demands_.held_by(client); }
  std::uint32_t held(ClientId client, ShapeIndex shape) const { return demands_.held(client, shape); }
  // A demand waits and has no lease at all.
  bool starving() const { return demands_.queue().starving(); }
  // Why demands are not granted.
  const Shortages& shortages() const { return shortages_; }
  // None: the client does not hold the lease.
  ClientId worker_of(ClientId submitter, LeaseId lease) const;
  const Ledger& ledger() const { return ledger_; }
  // Throws nothing; returns the first broken invariant's text or "". For tests and the simulator.
  std::string check_invariants() const;

 private:
  void serve(Time now);
  void refuse_blocked(Time now);
  void start_failed(Worker& worker, const std::string& status, Time now);
  void close_lease(Lease& lease, bool worker_died, Time now);
  void drop_client(ClientId client, Time now);
  void kill_overdue(Time now);

  NodeSchedulerConfig config_;
  NodeSchedulerEffects& effects_;
  std::shared_ptr<NextIds> ids_;
  // What the parts share.
  Ledger ledger_;
  Demands demands_;
  WorkerPool pool_;
  LeaseTable leases_;
  // The parts.
  WorkerLifetimes workers_;
  Placing placing_;
  AskingBack asking_;
  BlockedWatch blocked_watch_;
  Shortages shortages_;
  std::string closed_;  // why it takes no demands any more
};

}  // namespace manta::sched
