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

ActorCriticPolicy::ActorCriticPolicy(Box observations, ActionSpace actions, ActorCritic network,
                                     const RunningStatistics* statistics)
    : observations_(std::move(observations)),
      actions_(std::move(actions)),
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

}  // namespace manta::rl::detail
