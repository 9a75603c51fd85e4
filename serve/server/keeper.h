// Keeps a deployment's replicas running: which of them can be called, which hang, and which need another process.
//
//   KEEP-1  a replica is in the routing only while its constructor has succeeded and its process lives
//   KEEP-2  a replica hangs when its process does not beat, or when its check_health() takes longer than
//           health_check_timeout; never because its requests take long or many wait
//   KEEP-3  while its deployment exists, a replica that cannot be made is tried again, after 10 ms at first and 10 s at
//           last
//
// Threading: the loop's thread, but for line(). Ownership: owns the pulse.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <manta/detail/mutex.h>
#include <manta/error.h>
#include <manta/ref.h>
#include <manta/serve/detail/heart.h>

#include "serve/server/app.h"

namespace manta::serve {

class Keeper {
 public:
  using Apps = std::vector<std::shared_ptr<App>>;
  // Called when a replica can no longer be called.
  using Lost = std::function<void(const App&, ReplicaId)>;

  explicit Keeper(Lost lost) : lost_(std::move(lost)) {}

  // What a new replica of the deployment is made with. Any thread. Throws Error.
  detail::Lifeline line(const DeploymentOptions& options);
  // Looks at all replicas. To be called at least every next_look().
  void look(const Apps& apps, Router::Time now);
  std::chrono::milliseconds next_look() const { return next_look_; }
  // Looks at one. True: it can be called.
  bool look(App& app, ReplicaId id, Router::Time now);
  // Why Manta has ended under the server; nothing: it has not.
  const std::optional<Error>& ended() const { return ended_; }

 private:
  Actor<detail::Pulse> pulse();
  void started(App& app, ReplicaId id, App::Replica& replica, Router::Time now);
  void down(App& app, ReplicaId id, App::Replica& replica, std::string reason);
  void replace(App& app, App::Replica& replica, Router::Time now);
  void check_health(App& app, App::Replica& replica, Router::Time now);
  void ask_pulse(const Apps& apps, Router::Time now);
  void hear(const Apps& apps, const std::vector<detail::Beat>& beats, Router::Time now);
  static void remind(const App& app);
  static void kill(App& app, App::Replica& replica);

  Lost lost_;
  manta::detail::Mutex making_;
  Actor<detail::Pulse> pulse_ MANTA_GUARDED_BY(making_);
  std::uint64_t next_ MANTA_GUARDED_BY(making_) = 1;
  Ref<std::vector<detail::Beat>> beats_;  // under way; empty: none
  Router::Time asked_{};
  std::chrono::milliseconds next_look_{100};
  std::optional<Error> ended_;
};

}  // namespace manta::serve
