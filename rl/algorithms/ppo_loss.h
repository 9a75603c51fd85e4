// The loss of PPO on one minibatch, and its gradient.
#pragma once

#include <manta/rl/networks.h>
#include <manta/rl/ppo.h>

namespace manta::rl::detail {

struct Minibatch {
  torch::Tensor observations, actions, log_probs, advantages, returns, values;  // one row for each step
};

// What an update says of itself: sums over minibatches of what is a mean over each.
struct PpoLosses {
  double loss = 0, policy_loss = 0, value_loss = 0, entropy = 0;
  double old_approx_kl = 0, approx_kl = 0, clip_fraction = 0;
};

struct PpoGradients {
  torch::Tensor output, values, log_std;  // shapes as those; log_std undefined for Discrete actions
};

// With r = exp(log_prob - log_prob then), A the advantage, V the value and R the return:
//
//   policy = mean(max(-A r, -A clamp(r, 1 - clip, 1 + clip)))
//   value  = mean(max((V - R)^2, (V then + clamp(V - V then, -clip, clip) - R)^2)) / 2
//   loss   = policy + value_coefficient * value - entropy_coefficient * mean(entropy)
//
// output: [n, size] of the actor; values: [n] of the critic. Adds to `sums`. In one pass over the rows: as tensors,
// with a graph, the same took longer than the networks.
PpoGradients ppo_loss(const ActorCriticImpl& network, const torch::Tensor& output, const torch::Tensor& values,
                      const Minibatch& batch, const PpoOptions& options, PpoLosses& sums);

}  // namespace manta::rl::detail
