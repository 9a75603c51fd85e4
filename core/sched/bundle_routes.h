// Of a node's workers and leases: which bundle they belong to. Those that are not here belong to none.
//
// Threading: none of its own. Every call is O(log workers).
#pragma once

#include <map>

#include <manta/ids.h>
#include <manta/options.h>

namespace manta::sched {

class BundleRoutes {
 public:
  void worker_started(ClientId worker, const Bundle& bundle) { workers_[worker].bundle = bundle; }
  // A worker has one lease at a time: that it had before is over.
  void granted(LeaseId lease, ClientId worker, const Bundle& bundle) {
    Place& place = workers_[worker];
    leases_.erase(place.lease);
    place = {bundle, lease};
    leases_[lease] = bundle;
  }
  void worker_left(ClientId worker) {
    const auto it = workers_.find(worker);
    if (it == workers_.end()) return;
    leases_.erase(it->second.lease);
    workers_.erase(it);
  }

  // None: it is of no bundle.
  Bundle of_worker(ClientId worker) const {
    const auto it = workers_.find(worker);
    return it == workers_.end() ? Bundle{} : it->second.bundle;
  }
  Bundle of_lease(LeaseId lease) const {
    const auto it = leases_.find(lease);
    return it == leases_.end() ? Bundle{} : it->second;
  }

 private:
  struct Place {
    Bundle bundle;
    LeaseId lease;  // the last; none: it has had none
  };
  std::map<ClientId, Place> workers_;
  std::map<LeaseId, Bundle> leases_;
};

}  // namespace manta::sched
