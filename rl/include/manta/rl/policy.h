// What an agent does when it sees something.
#pragma once

#include <filesystem>
#include <memory>

#include <manta/rl/space.h>
#include <manta/torch.h>

namespace manta::rl {

/// A policy to be used: by evaluate(), or by a program of yours. Ppo and Dqn make it.
///
/// **Threading**: one thread at a time. **Ownership**: it shares its network with the algorithm that made it, so that
/// it follows the training; use it between two calls of train().
///
///     torch::Tensor action = ppo.policy().act(observations);     // [n, O] as the environment gives them
class Policy {
 public:
  virtual ~Policy() = default;
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  virtual const Box& observation_space() const = 0;
  virtual const ActionSpace& action_space() const = 0;

  /// observations: float [n, O] as environments give them (it normalises them itself where it was trained so). Returns
  /// int64 [n], or float [n, A] within the bounds of the space.
  ///
  /// deterministic: the likeliest action (the mean of a Box); else one drawn with torch's default generator.
  /// **Errors**: throws Error(invalid_argument) for another shape.
  virtual torch::Tensor act(const torch::Tensor& observations, bool deterministic = true) = 0;

  /// Writes all that it consists of to a file that load_policy() reads, in the safetensors format: the network's
  /// parameters by name, "observation_mean" and "observation_variance" where it normalises observations, and spaces and
  /// layers as JSON in the metadata "manta.policy". Replaces a file that is there. **Errors**: those of
  /// train::save_safetensors.
  virtual void save(const std::filesystem::path& file) const = 0;
};

/// The policy that save() wrote; or that of a checkpoint of Ppo or Dqn, given its folder; or that of the latest
/// checkpoint of a run, given the run's folder. It needs neither the algorithm nor the environment.
///
///     auto policy = manta::rl::load_policy("manta_results/cartpole");
///     manta::rl::Evaluation e = manta::rl::evaluate(*policy, "CartPole-v1", {.episodes = 100});
///
/// **Errors**: throws Error: not_found if it does not exist, invalid_argument for a file or checkpoint without a
/// policy.
std::unique_ptr<Policy> load_policy(const std::filesystem::path& path);

}  // namespace manta::rl
