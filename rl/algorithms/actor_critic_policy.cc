#include "rl/algorithms/actor_critic_policy.h"

#include <sstream>

#include <manta/error.h>

namespace manta::rl::detail {

torch::Tensor checked_observations(const torch::Tensor& observations, std::size_t size) {
  if (!observations.defined() || observations.dim() != 2 || observations.size(1) != static_cast<std::int64_t>(size)) {
    std::ostringstream text;
    text << "Policy::act takes observations of the shape [n, " << size << "]";
    if (observations.defined()) text << ", not " << observations.sizes();
    throw Error(ErrorCode::invalid_argument, text.str() + ". Next: give one row for each environment.");
  }
  return observations.to(at::kCPU, at::kFloat).contiguous();
}

ActorCriticPolicy::ActorCriticPolicy(Box observations, ActionSpace actions, NetworkOptions layers, ActorCritic network,
                                     const RunningStatistics* statistics)
    : observations_(std::move(observations)),
      actions_(std::move(actions)),
      layers_(std::move(layers)),
      network_(std::move(network)),
      statistics_(statistics) {}

torch::Tensor ActorCriticPolicy::act(const torch::Tensor& observations, bool deterministic) {
  const torch::NoGradGuard no_grad;
  torch::Tensor input = checked_observations(observations, observations_.size());
  if (statistics_ != nullptr) {
    const torch::Tensor mean = torch::tensor(statistics_->mean, at::kFloat);
    const torch::Tensor variance = torch::tensor(statistics_->variance, at::kFloat);
    input = ((input - mean) / (variance + 1e-8).sqrt()).clamp(-10, 10);
  }
  const torch::Tensor output = network_->actor->forward(input);
  if (network_->shape().discrete) {
    return deterministic ? output.argmax(-1) : output.softmax(-1).multinomial(1).squeeze(-1);
  }
  const torch::Tensor drawn = deterministic ? output : output + network_->log_std.exp() * at::randn_like(output);
  const Box& box = std::get<Box>(actions_);
  return drawn.clamp(torch::tensor(box.low), torch::tensor(box.high));
}

PolicyDescription ActorCriticPolicy::description() const {
  return {.algorithm = "ppo",
          .observations = observations_,
          .actions = actions_,
          .layers = layers_,
          .normalizes = statistics_ != nullptr};
}

void ActorCriticPolicy::save(const std::filesystem::path& file) const {
  train::NamedTensors tensors = parameters_of(*network_);
  if (statistics_ != nullptr) {
    tensors["observation_mean"] = torch::tensor(statistics_->mean, at::kDouble);
    tensors["observation_variance"] = torch::tensor(statistics_->variance, at::kDouble);
  }
  train::save_safetensors(file, tensors, {{kPolicyMetadata, text_of(description())}});
}

}  // namespace manta::rl::detail
