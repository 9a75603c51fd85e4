// What runs a process' own tasks in that very process (MANTA_LOCAL): the workers of its leases are ids.
//
// Threading: as said at each method. Ownership: it lives until the process ends, as threads of the program may look at
// it at any time.
#pragma once

#include <chrono>
#include <string>

#include "core/client/process_state.h"
#include "core/owner/worker_link.h"

namespace manta::client {

// Whether this thread is one of the client's own: it runs no tasks, as others wait for what it does.
inline bool& serves_client() {
  thread_local bool serves = false;
  return serves;
}

class LocalRunner {
 public:
  virtual ~LocalRunner() = default;

  // --- with the owner's mutex
  // The worker of a new lease, which exists from now on.
  virtual owner::WorkerLink& granted(const net::Granted& granted) MANTA_REQUIRES(owner_mutex) = 0;
  // Null: it is gone.
  virtual owner::WorkerLink* link_to(ClientId worker) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void lease_returned(LeaseId lease) MANTA_REQUIRES(owner_mutex) = 0;
  // The owner learns of it once what runs there has returned.
  virtual void lease_ended(LeaseId lease, const std::string& status) MANTA_REQUIRES(owner_mutex) = 0;
  // The node is gone, and the owner has failed everything: nothing begins any more.
  virtual void clear() MANTA_REQUIRES(owner_mutex) = 0;

  // --- any thread, without the mutex
  // This thread has submitted the task: returns when it, and all that waits before it, has run or cannot run yet.
  virtual void submitted(owner::Entry& entry) = 0;
  // This thread has dropped a handle, or an object: what may run now has run when this returns.
  virtual void run_ready() = 0;
  // Runs the next one that may run, in this thread. False: there is none.
  virtual bool run_next() = 0;
  // When there may be another one although no doorbell rings.
  virtual std::chrono::steady_clock::time_point look_again() = 0;
};

}  // namespace manta::client
