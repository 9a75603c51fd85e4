// Steps environments with a policy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <manta/rl/detail/rollout_worker.h>
#include <manta/rl/networks.h>
#include <manta/rl/wrappers.h>

#include "rl/policy/mlp_pass.h"

namespace manta::rl::detail {

// COLLECT-1: what an environment does and what its policy draws depend on the run's seed, the environment's index among
//            all of the run, and the number of the step; not on how environments are divided among collectors.
// COLLECT-2: a collector that is new in a later round (its actor's process had died) starts new episodes, with seeds
//            that
//            no round before has used.
//
// Threading: one thread at a time. Errors: those of the environments; Error(invalid_argument) for a round of another
// network.
class Collector {
 public:
  // envs: AutoresetMode::same_step, without wrappers.
  Collector(const CollectorSetup& setup, std::unique_ptr<VectorEnv> envs);

  Collected collect(const Round& round);

  // Everything that decides how it goes on, but for what a Round brings.
  std::string save_state() const;
  void load_state(const std::string& state);

 private:
  struct Step;
  void start(std::int64_t round);
  Rollout make_rollout() const;
  Step step_of(const Rollout& rollout, std::int64_t at) const;
  void step_environments(const Step& step);
  void choose(const Step& step, std::uint64_t time);
  void after_step(const Step& step, std::int64_t at, Collected& collected);
  void wrap_environments();

  CollectorSetup setup_;
  std::unique_ptr<VectorEnv> envs_;                  // with the wrappers that the setup asks for
  NormalizeObservation* observations_of_ = nullptr;  // one of these, where there is one
  NormalizeReward* rewards_of_ = nullptr;
  ActorCritic network_;
  MlpPass actor_;
  std::size_t observation_size_;
  bool started_ = false;
  std::vector<float> output_;        // of the actor, for one step
  std::vector<float> observations_;  // [N, O], that the next step starts from
  std::vector<float> last_;          // [N, O], of episodes that ended in a step
  std::vector<float> finals_;        // of truncated episodes in a round
  std::vector<std::int64_t> final_rows_;
};

}  // namespace manta::rl::detail
