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

#include <manta/ref.h>
#include <manta/serve/deployment.h>

#include "serve/router/router.h"

namespace manta::serve {

// What /metrics tells, under Triton's names.
struct Counts {
  std::uint64_t success = 0;
  std::uint64_t refused = 0;   // 4xx
  std::uint64_t failed = 0;    // 5xx
  std::uint64_t rejected = 0;  // the queue was full
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
    Router::Time checked;          // health, last
    Ref<void> check;               // under way; empty: none
    int failures = 0;              // of checks, in a row
  };

  App(detail::Deployable what, detail::Description how);

  const DeploymentOptions& options() const { return deployable.options; }

  detail::Deployable deployable;
  detail::Description description;
  Router router;
  std::map<ReplicaId, Replica> replicas;
  ReplicaId next_replica = 0;
  Counts counts;
};

Router::Options router_options(const DeploymentOptions& options, bool batched);

// The protocol's pages about a model, as JSON.
std::string metadata_of(const App& app);
std::string config_of(const App& app);
std::string statistics_of(const std::vector<const App*>& apps);

}  // namespace manta::serve
