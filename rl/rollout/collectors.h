// All that collect for one run: the learner's process itself, or rollout actors.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <manta/rl/environment_spec.h>

#include "rl/rollout/collector.h"

namespace manta::rl::detail {

struct CollectorsOptions {
  int num_actors = 0;               // 0: the learner's process collects
  double cpus_per_actor = 0;        // that each holds
  int max_restarts = 100;           // of each actor; -1: for ever
  std::chrono::seconds timeout{0};  // of an actor's part of a round; 0: none
};

// COLLECT-3: an actor whose process dies starts again, and collects its part of the round once more; the others and the
//            learner do not notice.
//
// Threading: one thread. Ownership: the actors live as long as it. Errors: those of the environments, as TaskError from
// actors; Error(actor_died) when an actor has used up its restarts, Error(deadline) when one exceeds the timeout.
class Collectors {
 public:
  // setup: of all; num_envs are divided among the actors, the first ones have one more where it does not come out even.
  Collectors(const EnvironmentSpec& environment, const CollectorSetup& setup, const CollectorsOptions& options);

  // Blocks until all have collected. In the order of environments.
  std::vector<Collected> collect(const Round& round);

  // One for each collector.
  std::vector<std::string> save_states();
  // Errors: Error(invalid_argument) for another number of them.
  void load_states(const std::vector<std::string>& states);

  // How often an actor's process was found to be another one than before.
  std::int64_t replaced() const { return replaced_; }
  // Of the actors, in the last round; none where the learner's process collects.
  const std::vector<std::int64_t>& processes() const { return processes_; }

 private:
  Collected await(std::size_t actor, const Ref<Collected>& part, std::chrono::steady_clock::time_point start);

  CollectorsOptions options_;
  std::unique_ptr<Collector> own_;
  std::vector<StartedWorker> actors_;
  std::vector<std::int64_t> processes_;
  std::int64_t replaced_ = 0;
};

}  // namespace manta::rl::detail
