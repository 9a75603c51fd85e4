#include "rl/algorithms/q_policy.h"

#include "rl/algorithms/actor_critic_policy.h"

namespace manta::rl::detail {

torch::Tensor QPolicy::act(const torch::Tensor& observations, bool deterministic) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor values = network_->forward(checked_observations(observations, observations_.size()));
  const torch::Tensor best = values.argmax(-1);
  if (deterministic) return best;
  return at::where(at::rand({values.size(0)}) < epsilon_, at::randint(values.size(1), {values.size(0)}, at::kLong),
                   best);
}

PolicyDescription QPolicy::description() const {
  return {
      .algorithm = "dqn", .observations = observations_, .actions = actions_, .layers = layers_, .epsilon = epsilon_};
}

void QPolicy::save(const std::filesystem::path& file) const {
  train::save_safetensors(file, parameters_of(*network_), {{kPolicyMetadata, text_of(description())}});
}

}  // namespace manta::rl::detail
