// What environments did under a policy, and what each action was worth.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/torch.h>

namespace manta::rl {

/// T steps of each of N environments, on the CPU. A row is one step of one environment; step t of environment n is row
/// t * N + n of a tensor seen as [T * N, ...].
///
/// **Threading**: as tensors. **Ownership**: a value; what came from another process is a view of shared memory.
struct Rollout {
  torch::Tensor observations;  ///< float [T, N, O]: what the policy saw before the step
  torch::Tensor actions;       ///< int64 [T, N], or float [T, N, A] as drawn (not clipped)
  torch::Tensor log_probs;     ///< float [T, N]: of these actions, summed over their parts
  torch::Tensor rewards;       ///< float [T, N]
  torch::Tensor terminated;    ///< uint8 [T, N]: the step ended the episode
  torch::Tensor truncated;     ///< uint8 [T, N]: the step ended it by a limit only, so that its future still counts
  torch::Tensor next_observations;   ///< float [N, O]: after the last step
  torch::Tensor final_observations;  ///< float [K, O]: where truncated episodes ended, in the order of rows
  torch::Tensor final_rows;          ///< int64 [K]: the rows of those steps

  std::int64_t num_steps() const { return rewards.size(0); }
  std::int64_t num_envs() const { return rewards.size(1); }
};

/// Several rollouts of as many steps as one, their environments beside each other in this order.
/// **Errors**: throws Error(invalid_argument) where there is none or they do not fit together.
Rollout join(const std::vector<Rollout>& rollouts);

/// Advantages of T steps of N environments.
struct Advantages {
  torch::Tensor advantages;  ///< float [T, N]
  torch::Tensor returns;     ///< float [T, N]: advantages + values, what the critic should say
};

/// The critic's opinion of a rollout.
struct Values {
  torch::Tensor values;        ///< float [T, N], of observations
  torch::Tensor next_values;   ///< float [N], of next_observations
  torch::Tensor final_values;  ///< float [K], of final_observations
};

/// Generalized advantage estimation (Schulman et al. 2016, arXiv:1506.02438):
///
///     delta(t) = reward(t) + gamma * value after t - value(t),  A(t) = delta(t) + gamma * lambda * A(t + 1)
///
/// The value after a step is that of the next observation; of the final observation where the step truncated its
/// episode; 0 where it terminated it (also if both are said). Nothing goes back over an episode's end.
///
/// **Errors**: throws Error(invalid_argument) for tensors of other shapes or types.
Advantages generalized_advantages(const Rollout& rollout, const Values& values, double gamma, double lambda);

}  // namespace manta::rl
