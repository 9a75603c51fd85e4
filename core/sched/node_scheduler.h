// Decides, on one node, which submitter gets a lease on which worker. Sans-I/O: events in, effects out.
//
// A submitter states per resource shape how many leases it wants to hold (a level, not a stream of requests). The
// scheduler grants while resources last, starts workers, asks back where others starve, and cleans up after the dead.
//
//   SCHED-1  resources are conserved: available + sum of allocations (less released CPUs) == total at every step
//   SCHED-2  a worker is leased to at most one submitter at a time
//   SCHED-3  a worker that has seen GPUs, or has an environment of its own, is only ever leased with the same ones
//   SCHED-4  an infeasible demand is answered by infeasible() in the same event, and never queued
//   SCHED-5  a submitter's death returns all it held: idle workers at once, others once their ring is closed
//   SCHED-6  no demand starves among those of its priority: they are served in order of arrival, those with fewer
//            leases of the shape first. Higher priorities go before, and leases of lower ones are asked back for them
//   SCHED-7  started + idle + leased + dying workers <= max_workers
//   SCHED-8  a living submitter hears of the end of every lease that it has not returned itself
//   SCHED-9  an actor's demand (own_worker) ends when its lease ends. So no worker is started for an actor that has
//            ended, in whatever order the submitter's messages and the worker's death are noticed
//
// Threading: one thread (the daemon's loop). Ownership: none of the outside; effects must outlive it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/demand_queue.h"
#include "core/sched/fair_share.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/shape.h"
#include "core/sched/shortage.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

struct Grant {
  LeaseId lease;
  ClientId worker;
  ShapeIndex shape = 0;
  std::vector<GpuShare> gpus;
};

// A worker, and what it does.
struct Occupant {
  enum class Kind : std::uint8_t { idle, task, actor };
  ClientId worker;
  Kind kind = Kind::idle;
  Time since{0};  // of its lease, or of idling
};

enum class LeaseEnd : std::uint8_t { worker_died, revoked };

// Called in the middle of an event: they must not call the scheduler back, but leave that for later.
class NodeSchedulerEffects {
 public:
  virtual ~NodeSchedulerEffects() = default;
  // Start a worker process whose CUDA_VISIBLE_DEVICES lists these GPUs, with these variables (ResourceSet::env); answer
  // by worker_started or worker_failed.
  virtual void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) = 0;
  virtual void kill_worker(ClientId worker) = 0;
  // worker may be the submitter itself: one that is idle because its task ended before the tasks which that submitted.
  virtual void grant(ClientId submitter, const Grant& grant) = 0;
  // The lease is over without the submitter's doing. status: "killed by signal 9 (SIGKILL)", as given to client_left.
  virtual void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) = 0;
  // No node could ever run it. The demand is void, as if withdrawn; leases stay. why: complete sentence for people.
  virtual void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) = 0;
  // The submitter should return `count` more leases of the shape as soon as their running task ends; it chooses which.
  // A lease_ended of the shape counts as one of them returned.
  virtual void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) = 0;
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
  void start(Time now);
  // A process that may submit. Workers are known from start_worker on and join when they have started.
  void driver_joined(ClientId driver, Time now);
  void worker_started(ClientId worker, Time now);
  // The process could not be started: counts as left; after 3 in a row the waiting demands get infeasible(status).
  void worker_failed(ClientId worker, const std::string& status, Time now);
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
  bool submits(ClientId client) const;

  // The idle worker owns objects that others still refer to, or no longer: while it does, it is not ended for being
  // idle or to free its place. (A worker with leases or demands of its own is never ended so.) Ignores unknown workers.
  void keep_alive(ClientId worker, bool keep, Time now);
  // When tick wants to be called; any event may change it. kNever: no need.
  Time next_tick() const;

  // Per shape of the client, if any: leases that it has, those included for which a worker is being started.
  std::vector<std::pair<ShapeIndex, std::uint32_t>> held_by(ClientId client) const;
  std::uint32_t held(ClientId client, ShapeIndex shape) const;
  // A demand waits and has no lease at all.
  bool starving() const { return queue_.starving(); }
  // Why the oldest waiting demand of the client is not granted; empty if none waits. For `manta why` and errors.
  std::string why_waiting(ClientId submitter) const;
  // Why the client has fewer leases of the shape than it wants, and which workers have what it lacks.
  Shortage shortage(ClientId submitter, ShapeIndex shape) const;
  // The same of a request that no client has stated here.
  Shortage shortage_of(const ResourceSet& request) const;
  // None: the client does not hold the lease.
  ClientId worker_of(ClientId submitter, LeaseId lease) const;
  const Ledger& ledger() const { return ledger_; }
  // Throws nothing; returns the first broken invariant's text or "". For tests and the simulator.
  std::string check_invariants() const;

 private:
  struct Client {
    std::map<ShapeIndex, Demand> demands;
    std::set<LeaseId> leases;  // that it holds, the closing ones excluded
  };
  // Resources taken for a demand that waits for a worker of this outfit to start.
  struct Booking {
    Demand* demand;
    Allocation allocation;
    std::uint64_t arrival;  // of the demand when it was made: its place if the worker cannot be started
  };
  using Asks = std::map<std::pair<ClientId, ShapeIndex>, std::uint32_t>;

  // node_scheduler.cc: events.
  Demand* find_demand(ClientId submitter, ShapeIndex shape);
  void set_wanted(Demand& demand, std::uint32_t wanted, Time now);
  void drop_if_unused(Demand& demand);
  void drop_client(ClientId client, Time now);
  void close_lease(Lease& lease, bool worker_died, Time now);
  void start_failed(Worker& worker, const std::string& status, Time now);
  void cancel_newest_booking(const Demand& demand, Time now);
  void cancel_booking(const Outfit& outfit, std::size_t position, Time now);
  void end_idle_workers(Time now);
  void kill_overdue(Time now);

  // placing.cc: which demand gets which worker.
  void serve(Time now);
  bool serve_one(Time now);
  bool place(Demand& demand, Time now);
  void supply(Worker& worker, Time now);
  void open_lease(Demand& demand, Allocation allocation, Worker& worker, Time now);
  void start_worker(Outfit outfit, const std::vector<GpuShare>& shares);
  bool may_start(Time now) const;
  bool may_end(const Worker& worker) const;
  void end_worker(Worker& worker);
  bool make_space(std::size_t wanted);
  void refill_warm(Time now);
  void watch_for_all_blocked(Time now);
  void fail_all_blocked(Time now);
  void refuse(Demand& demand, const std::string& why, Time now);

  // asking_back.cc: which clients should return which leases.
  void ask_back_for_fronts(Time now);
  void ask_back_by_share(Demand& demand, Asks& asks, Time now);
  void ask_back_by_turn(const std::vector<Demand*>& waiting, Asks& asks, Time now);
  void ask_back_released_cpus(Time now);
  void take_turns(Time now);
  // What a request of the demand lacks that leases of others would free, the dearest first: getting that mostly brings
  // the rest.
  std::vector<Shape::Use> scarce(const Demand& demand) const;
  Demand* donor(Dimension dimension, std::int64_t share, const Demand& receiver);
  Demand* least_urgent(Dimension dimension, std::int64_t priority);
  void ask(Demand& holder, Asks& asks, Time now);
  void send(const Asks& asks);

  // node_scheduler_check.cc
  std::string why_not_granted(const ResourceSet& request) const;
  std::string retry() const;  // of a start, after last_failure_
  std::string check_leases() const;
  std::string check_workers() const;
  std::string check_demands() const;
  std::string check_ledger() const;
  std::string check_service() const;

  NodeSchedulerConfig config_;
  NodeSchedulerEffects& effects_;
  std::shared_ptr<NextIds> ids_;
  Ledger ledger_;
  DemandQueue queue_;
  FairShare fair_;
  WorkerPool pool_;
  LeaseTable leases_;
  std::map<ClientId, Client> clients_;
  std::map<Outfit, std::deque<Booking>> bookings_;  // no empty deques; never more than starting workers of it
  std::uint32_t failures_in_a_row_ = 0;
  std::string last_failure_;
  Time start_after_{0};  // no worker is started before, after failures
  Time warm_after_{0};   // no warm worker is replaced before, after an early death
  Time next_idle_check_ = kNever;
  Time next_hold_end_ = kNever;    // of what is held for a shape whose patience has ended
  Time next_turn_ = kNever;        // only while a demand waits
  Time overdrawn_since_ = kNever;  // released CPUs are in use, and the tasks that released them have gone on
  Time all_blocked_since_ = kNever;
  std::string closed_;  // why it takes no demands any more
};

}  // namespace manta::sched
