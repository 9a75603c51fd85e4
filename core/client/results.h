// Results of tasks that workers have finished: taking them in, and sleeping until there are more.
#pragma once

#include "core/client/process_state.h"

namespace manta::client {

// Threading: with the owner's mutex.
class Results {
 public:
  virtual ~Results() = default;
  // Takes in what is there. True: there was something.
  virtual bool drain() MANTA_REQUIRES(owner_mutex) = 0;
  // From now on workers ring this process' doorbell (CLIENT-2). False: there is something already.
  virtual bool prepare_sleep() MANTA_REQUIRES(owner_mutex) = 0;
  // Whether a worker that this process waits for has this thread's CPU as its own, and so cannot run while it spins.
  virtual bool waits_for_this_cpu() MANTA_REQUIRES(owner_mutex) = 0;
};

}  // namespace manta::client
