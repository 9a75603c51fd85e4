// The policy that PPO trains, for others to use.
#pragma once

#include <manta/rl/networks.h>
#include <manta/rl/policy.h>
#include <manta/rl/running_statistics.h>

#include "rl/algorithms/policy_description.h"

namespace manta::rl::detail {

class ActorCriticPolicy : public Policy {
 public:
  // statistics: null where observations are not normalised; else they must outlive it.
  ActorCriticPolicy(Box observations, ActionSpace actions, NetworkOptions layers, ActorCritic network,
                    const RunningStatistics* statistics);

  const Box& observation_space() const override { return observations_; }
  const ActionSpace& action_space() const override { return actions_; }
  torch::Tensor act(const torch::Tensor& observations, bool deterministic) override;
  void save(const std::filesystem::path& file) const override;

  PolicyDescription description() const;

 private:
  Box observations_;
  ActionSpace actions_;
  NetworkOptions layers_;
  ActorCritic network_;
  const RunningStatistics* statistics_;
};

// observations as float [n, size], contiguous. Errors: throws Error(invalid_argument) for another shape.
torch::Tensor checked_observations(const torch::Tensor& observations, std::size_t size);

}  // namespace manta::rl::detail
