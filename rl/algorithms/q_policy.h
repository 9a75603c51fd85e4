// The policy that DQN trains, for others to use.
#pragma once

#include <manta/rl/networks.h>
#include <manta/rl/policy.h>

#include "rl/algorithms/policy_description.h"

namespace manta::rl::detail {

class QPolicy final : public Policy {
 public:
  QPolicy(Box observations, ActionSpace actions, NetworkOptions layers, Mlp network, double epsilon)
      : observations_(std::move(observations)),
        actions_(std::move(actions)),
        layers_(std::move(layers)),
        network_(std::move(network)),
        epsilon_(epsilon) {}

  const Box& observation_space() const override { return observations_; }
  const ActionSpace& action_space() const override { return actions_; }
  torch::Tensor act(const torch::Tensor& observations, bool deterministic) override;
  void save(const std::filesystem::path& file) const override;

  PolicyDescription description() const;

 private:
  Box observations_;
  ActionSpace actions_;
  NetworkOptions layers_;
  Mlp network_;
  double epsilon_;
};

}  // namespace manta::rl::detail
