// The policy that PPO trains, for others to use.
#pragma once

#include <manta/rl/networks.h>
#include <manta/rl/policy.h>
#include <manta/rl/running_statistics.h>

namespace manta::rl::detail {

class ActorCriticPolicy final : public Policy {
 public:
  // statistics: null where observations are not normalised; else they must outlive it.
  ActorCriticPolicy(Box observations, ActionSpace actions, ActorCritic network, const RunningStatistics* statistics);

  const Box& observation_space() const override { return observations_; }
  const ActionSpace& action_space() const override { return actions_; }
  torch::Tensor act(const torch::Tensor& observations, bool deterministic) override;

 private:
  Box observations_;
  ActionSpace actions_;
  ActorCritic network_;
  const RunningStatistics* statistics_;
};

// observations as float [n, size], contiguous. Errors: throws Error(invalid_argument) for another shape.
torch::Tensor checked_observations(const torch::Tensor& observations, std::size_t size);

}  // namespace manta::rl::detail
