// Replicas that belong to no deployment any more, until they have ended.
//
//   REPLACED-1  a replica ends by itself when no handle has it, in any process, and its calls are answered
//   REPLACED-2  a replica that has not ended by its deadline is killed, whatever handles have it
//   REPLACED-3  no replica is killed before handles in other processes have stopped calling it: 2 * kRosterIsFresh
//               after the directory has the new roster, see Targets
//
// Threading: the loop's thread. Ownership: none of the replicas.
#pragma once

#include <vector>

#include <manta/serve/deployment.h>

#include "serve/router/router.h"

namespace manta::serve {

class ReplacedReplicas {
 public:
  // Handles are notified before this call, or at once after it. Throws Error.
  void add(const detail::ReplicaLink& replica, Router::Time now, Router::Time deadline);
  // Kills those whose time is over, and forgets those that have ended. To be called now and then.
  void look(Router::Time now);
  // Those that have not ended, to be ended by the caller.
  std::vector<detail::WeakLink> take();

 private:
  struct Replaced {
    detail::WeakLink replica;
    Router::Time ends_by;
  };
  std::vector<Replaced> all_;
};

}  // namespace manta::serve
