// One deployment as the server's loop sees it: its replicas, its queue, its counts.
//
// Threading: the loop's thread. Ownership: of its replicas.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <optional>

#include <manta/detail/restart_backoff.h>
#include <manta/ref.h>
#include <manta/serve/deployment.h>

#include "serve/router/liveness.h"
#include "serve/router/router.h"

namespace manta::serve {

// What /metrics tells, under Triton's names.
struct Counts {
  std::uint64_t success = 0;
  std::uint64_t refused = 0;   // 4xx
  std::uint64_t failed = 0;    // 5xx
  std::uint64_t rejected = 0;  // the queue was full, or no replica was ready
  std::uint64_t departed = 0;  // its client left before it was answered
  std::uint64_t killed = 0;    // replicas that hung, or said that they are ill
  std::uint64_t requests = 0;  // that a replica computed
  std::uint64_t executions = 0;
  std::uint64_t request_us = 0;
  std::uint64_t queue_us = 0;
  std::uint64_t input_ns = 0;
  std::uint64_t compute_ns = 0;
  std::uint64_t output_ns = 0;
};

struct App {
  struct Replica {
    std::shared_ptr<const detail::ReplicaLink> link;
    std::uint64_t number = 0;  // at the pulse
    bool ready = false;
    bool leaves = false;   // another one takes its place
    std::string reason;    // why it is not ready
    Router::Time checked;  // its check_health(), last
    Ref<void> check;       // under way; empty: none
    int failures = 0;      // of checks, in a row
    Liveness liveness;
    std::uint64_t heard = 0;  // of its beats
    // Where its actor is dead for good another one takes its place.
    manta::detail::RestartBackoff backoff;
    std::optional<Router::Time> starts_at;
  };

  App(detail::Deployable what, detail::Description how);

  const DeploymentOptions& options() const { return deployable.options; }
  // Why no replica is ready; empty: one is.
  std::string unready() const;
  // The replica gets no more requests, and handles stop calling it.
  void leave(ReplicaId id);
  // Handles call those that are ready and do not leave; else those that are ready; else all.
  void publish() const;
  // Handles call none: the deployment was stopped.
  void publish_none() const;

  detail::Deployable deployable;
  detail::Description description;
  Router router;
  std::map<ReplicaId, Replica> replicas;
  ReplicaId next_replica = 0;
  Counts counts;

 private:
  void publish(const std::vector<const detail::ReplicaLink*>& links) const;
};

Router::Options router_options(const DeploymentOptions& options, const detail::Description& description);

// The protocol's pages about a model, as JSON.
std::string metadata_of(const App& app);
std::string config_of(const App& app);
std::string statistics_of(const std::vector<const App*>& apps);

}  // namespace manta::serve
