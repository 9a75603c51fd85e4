// The networks of the algorithms: perceptrons with orthogonal weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/torch.h>

#include <manta/rl/network_options.h>
#include <manta/rl/space.h>

namespace manta::rl {

/// Linear layers "0", "2", "4" and so on with the activation between them, as torch.nn.Sequential would name them.
///
/// Weights are orthogonal, with a gain of sqrt(2) and of output_gain for the last layer; biases are 0 (details 2 of
/// "The 37 Implementation Details of PPO"). They come from the generator, so that torch's default generator is not
/// touched.
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(std::int64_t inputs, std::int64_t outputs, double output_gain, const NetworkOptions& options,
          const at::Generator& generator);
  torch::Tensor forward(const torch::Tensor& input);  ///< [n, inputs] to [n, outputs]

  struct Layer : torch::nn::Module {
    Layer(std::int64_t inputs, std::int64_t outputs, double gain, const at::Generator& generator);
    torch::Tensor weight, bias;  ///< [outputs, inputs], [outputs]
  };
  const std::vector<std::shared_ptr<Layer>>& layers() const { return layers_; }
  Activation activation() const { return activation_; }

 private:
  std::vector<std::shared_ptr<Layer>> layers_;
  Activation activation_;
};
TORCH_MODULE(Mlp);

/// Numbers that describe the actions of a space: n of Discrete, one row of Box.
struct ActionShape {
  explicit ActionShape(const ActionSpace& space);
  bool discrete = true;
  std::int64_t size = 0;  ///< actions to choose from, or numbers of an action
};

/// A policy and the value of states, as two networks: "actor" gives logits of a Discrete space, or the means of a
/// Box, whose standard deviations do not depend on the state ("log_std", starts at 0).
///
///     ActorCritic network(envs->observation_size(), envs->action_space(), NetworkOptions(), seed);
///     auto [log_probs, entropies] = network->evaluate(network->actor->forward(observations), actions);
class ActorCriticImpl : public torch::nn::Module {
 public:
  ActorCriticImpl(std::int64_t observation_size, const ActionSpace& actions, const NetworkOptions& options,
                  std::uint64_t seed);

  struct Evaluation {
    torch::Tensor log_probs;  ///< [n]: of the given actions, summed over the numbers of an action
    torch::Tensor entropies;  ///< [n]
  };
  /// output: [n, size] of the actor; actions: int64 [n], or float [n, size].
  Evaluation evaluate(const torch::Tensor& output, const torch::Tensor& actions) const;
  /// [n], of observations [n, O].
  torch::Tensor values(const torch::Tensor& observations) { return critic->forward(observations).squeeze(-1); }

  const ActionShape& shape() const { return shape_; }

  Mlp actor{nullptr};
  Mlp critic{nullptr};
  torch::Tensor log_std;  ///< [size]; undefined for a Discrete space

 private:
  ActionShape shape_;
};
TORCH_MODULE(ActorCritic);

}  // namespace manta::rl
