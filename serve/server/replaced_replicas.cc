#include "serve/server/replaced_replicas.h"

#include <algorithm>
#include <utility>

namespace manta::serve {

void ReplacedReplicas::add(const detail::ReplicaLink& replica, Router::Time now, Router::Time deadline) {
  all_.push_back({replica.weak(), std::max(deadline, now + 2 * detail::kRosterIsFresh)});
}

void ReplacedReplicas::look(Router::Time now) {
  std::erase_if(all_, [now](const Replaced& each) {
    try {
      const auto link = each.replica();
      if (link == nullptr) return true;
      if (now < each.ends_by) return false;
      link->end();
    } catch (const Error&) {
      // The runtime has ended, and with it the replica.
    }
    return true;
  });
}

std::vector<detail::WeakLink> ReplacedReplicas::take() {
  std::vector<detail::WeakLink> taken;
  for (Replaced& each : std::exchange(all_, {})) taken.push_back(std::move(each.replica));
  return taken;
}

}  // namespace manta::serve
