// Waits of the program's threads for what other processes do.
#pragma once

#include <functional>

#include <manta/detail/runtime_api.h>

#include "core/owner/entry.h"

namespace manta::client {

// Threading: any thread, without the owner's mutex. In a worker, CPUs are released meanwhile (CLIENT-4). Throws
// Error(cancelled) where the task of the thread is asked to stop.
class Waits {
 public:
  virtual ~Waits() = default;
  // False: the deadline is over. done: called with the owner's mutex, and without.
  virtual bool wait_for(const std::function<bool()>& done, detail::Deadline deadline) = 0;
  virtual bool wait_resolved(owner::Entry& entry, detail::Deadline deadline) = 0;
};

}  // namespace manta::client
