// The loss of PPO on one minibatch.
#pragma once

#include <torch/torch.h>

#include <manta/rl/networks.h>
#include <manta/rl/ppo.h>

namespace manta::rl::detail {

struct Minibatch {
  torch::Tensor observations, actions, log_probs, advantages, returns, values;  // one row for each step
};

// What an update says of itself; means over minibatches.
struct PpoLosses {
  double loss = 0, policy_loss = 0, value_loss = 0, entropy = 0;
  double old_approx_kl = 0, approx_kl = 0, clip_fraction = 0;
};

// The loss, with the graph for backward(), of the actor's output [n, size] and the critic's values [n]; adds to `sums`.
torch::Tensor ppo_loss(const ActorCriticImpl& network, const torch::Tensor& output, const torch::Tensor& values,
                       const Minibatch& batch, const PpoOptions& options, PpoLosses& sums);

}  // namespace manta::rl::detail
