// All that one node grants: its free resources by one NodeScheduler, and each bundle reserved on it by one of its own.
// Sans-I/O.
//
// A bundle is a small node: a reservation takes its resources from the node's scheduler, in whose queue it waits like
// any demand, and then what it took is all that the bundle's scheduler has. Its workers serve the bundle alone.
//
//   BUNDLE-1  what a bundle grants was reserved before, and is given back only after its last worker has ended
//   BUNDLE-2  no two workers and no two leases of the node have one id, whichever scheduler they are of
//
// Threading and ownership as NodeScheduler.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/sched/node_scheduler.h"

namespace manta::sched {

class BundleEffects : public NodeSchedulerEffects {
 public:
  // What was asked for is there. Not called once it is released.
  virtual void bundle_reserved(const Bundle& bundle, std::uint32_t attempt) = 0;
};

class BundledScheduler final : NodeSchedulerEffects {
 public:
  // reservations: a client id that nobody has, under which bundles wait.
  BundledScheduler(NodeSchedulerConfig config, ClientId reservations, BundleEffects& effects);

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
  void blocked(ClientId worker, Time now) { of(worker).blocked(worker, now); }
  void unblocked(ClientId worker, Time now) { of(worker).unblocked(worker, now); }
  void channel_closed(ClientId worker, ClientId submitter, Time now) {
    of(worker).channel_closed(worker, submitter, now);
  }
  void keep_alive(ClientId worker, bool keep, Time now) { of(worker).keep_alive(worker, keep, now); }
  Time tick(Time now);
  std::vector<std::pair<ShapeIndex, std::uint32_t>> held_by(ClientId client) const { return free_.held_by(client); }
  std::uint32_t held(ClientId client, ShapeIndex shape) const { return free_.held(client, shape); }
  bool starving() const;
  ClientId worker_of(ClientId submitter, LeaseId lease) const;
  // As NodeScheduler's; of a bundle that is reserved here, or of free resources.
  Shortage shortage(ClientId submitter, ShapeIndex shape, const Bundle& bundle) const;
  Shortage shortage_of(const ResourceSet& request) const { return free_.shortage_of(request); }
  std::vector<Occupant> occupants() const;
  // Of what is not reserved.
  const Ledger& ledger() const { return free_.ledger(); }
  std::string check_invariants() const;

 private:
  struct Part {
    std::uint32_t attempt = 0;
    ShapeIndex shape = 0;  // of the reservation
    LeaseId lease;         // of the reservation; none: it waits
    bool closing = false;
    std::unique_ptr<NodeScheduler> scheduler;  // once it is reserved
  };

  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override;
  void close_channel(ClientId worker, ClientId submitter) override;

  NodeScheduler& of(ClientId worker);
  void open_parts(Time now);
  void drop_ended_parts(Time now);

  NodeSchedulerConfig config_;
  ClientId reservations_;
  BundleEffects& effects_;
  std::set<ClientId> joined_;
  ShapeIndex next_shape_ = 0;
  std::map<Bundle, Part> parts_;
  std::vector<std::pair<ShapeIndex, LeaseId>> granted_;  // reservations, in an event
  NodeScheduler free_;
};

}  // namespace manta::sched
