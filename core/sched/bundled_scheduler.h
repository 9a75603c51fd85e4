// All that one node grants: its free resources by one NodeScheduler, and each bundle reserved on it by one of its own.
// Sans-I/O.
//
// A bundle is a small node: a reservation takes its resources from the node's scheduler, in whose queue it waits like
// any demand, and then what it took is all that the bundle's scheduler has. Its workers serve the bundle alone.
//
//   BUNDLE-1  what a bundle grants was reserved before, and is given back only after its last worker has ended
//   BUNDLE-2  no two workers and no two leases of the node have one id, whichever scheduler they are of
//   BUNDLE-3  an event costs no more with many bundles: it goes to the schedulers that it concerns, and a tick to those
//             that want one
//
// Threading and ownership as NodeScheduler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/sched/bundle_routes.h"
#include "core/sched/node_scheduler.h"

namespace manta::sched {

class BundleEffects : public NodeSchedulerEffects {
 public:
  // What was asked for is there. Not called once it is released.
  virtual void bundle_reserved(const Bundle& bundle, std::uint32_t attempt) = 0;
};

class BundledScheduler final : NodeSchedulerEffects {
 public:
  // reservations: a client id that no process has, under which bundles wait.
  BundledScheduler(NodeSchedulerConfig config, ClientId reservations, BundleEffects& effects);
  ~BundledScheduler() override;

  // attempt: comes back in bundle_reserved. Ignored where the bundle is here already.
  void reserve(const Bundle& bundle, std::uint32_t attempt, const ResourceSet& request, Time now);
  // Its workers are killed; what they ran ends as with any worker, and what waits gets infeasible(why).
  void release(const Bundle& bundle, const std::string& why, Time now);

  // As NodeScheduler's. bundle: none: free resources.
  void set_demand(ClientId submitter, ShapeIndex shape, const ResourceSet& request, const Bundle& bundle,
                  std::uint32_t wanted, Time now);
  void start(Time now) { free_.start(now); }
  void driver_joined(ClientId driver, Time now);
  void worker_started(ClientId worker, Time now);
  void worker_failed(ClientId worker, const std::string& status, Time now) { client_left(worker, status, now); }
  void client_left(ClientId client, const std::string& status, Time now);
  void return_lease(ClientId submitter, LeaseId lease, Time now);
  void blocked(ClientId worker, Time now);
  void unblocked(ClientId worker, Time now);
  void ring_closed(ClientId worker, ClientId submitter, Time now);
  void keep_alive(ClientId worker, bool keep, Time now);
  Time tick(Time now);
  std::vector<std::pair<ShapeIndex, std::uint32_t>> held_by(ClientId client) const { return free_.held_by(client); }
  std::uint32_t held(ClientId client, ShapeIndex shape) const { return free_.held(client, shape); }
  bool starving() const;
  ClientId worker_of(ClientId submitter, LeaseId lease) const;
  // As Shortages::of; of a bundle that is reserved here, or of free resources.
  Shortage shortage(ClientId submitter, ShapeIndex shape, const Bundle& bundle) const;
  Shortage shortage_of(const ResourceSet& request) const { return free_.shortages().of(request); }
  std::vector<Occupant> occupants() const;
  // Of what is not reserved.
  const Ledger& ledger() const { return free_.ledger(); }
  std::string check_invariants() const;

 private:
  class PartEffects;
  struct Part {
    std::uint32_t attempt = 0;
    ShapeIndex shape = 0;  // of the reservation
    LeaseId lease;         // of the reservation; none: it waits
    bool closing = false;
    std::set<ClientId> clients;  // that `scheduler` knows, its own workers excepted
    std::unique_ptr<PartEffects> effects;
    std::unique_ptr<NodeScheduler> scheduler;  // once it is reserved
    Time next_tick = kNever;                   // as filed in due_
    bool starving = false;                     // as counted in starving_
  };
  using Parts = std::map<Bundle, Part>;

  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override;

  // Null: there is no such bundle, or it is not reserved yet.
  NodeScheduler* scheduler_of(const Bundle& bundle) const;
  // An event of the bundle's scheduler; of that of free resources where the bundle is none, or is not here.
  template <class Event>
  void in(const Bundle& bundle, Time now, Event event);
  void file(const Bundle& bundle, Part& part);
  void unfile(const Bundle& bundle, Part& part);
  bool submits(ClientId client) const;
  void open_parts(Time now);
  void drop_if_ended(const Bundle& bundle, Time now);

  NodeSchedulerConfig config_;
  ClientId reservations_;
  BundleEffects& effects_;
  std::map<ClientId, std::set<Bundle>> joined_;  // clients, and the bundles whose schedulers know them
  ShapeIndex next_shape_ = 0;
  Parts parts_;
  BundleRoutes routes_;
  std::map<ShapeIndex, Bundle> waiting_;                 // reservations without a lease
  std::set<std::pair<Time, Bundle>> due_;                // when schedulers of bundles want a tick
  std::size_t starving_ = 0;                             // bundles in which a demand waits that has no lease
  std::vector<std::pair<ShapeIndex, LeaseId>> granted_;  // reservations, in an event
  NodeScheduler free_;
};

}  // namespace manta::sched
