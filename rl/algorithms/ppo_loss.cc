#include "rl/algorithms/ppo_loss.h"

namespace manta::rl::detail {

torch::Tensor ppo_loss(const ActorCriticImpl& network, const torch::Tensor& output, const torch::Tensor& values,
                       const Minibatch& batch, const PpoOptions& options, PpoLosses& sums) {
  const double clip = options.clip_coefficient;
  const auto [log_probs, entropies] = network.evaluate(output, batch.actions);
  const torch::Tensor log_ratio = log_probs - batch.log_probs;
  const torch::Tensor ratio = log_ratio.exp();

  torch::Tensor advantages = batch.advantages;
  if (options.normalize_advantages) advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8);
  const torch::Tensor policy_loss = at::max(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)).mean();

  torch::Tensor errors = (values - batch.returns).square();
  if (options.clip_value_loss) {
    const torch::Tensor near = batch.values + (values - batch.values).clamp(-clip, clip);
    errors = at::max(errors, (near - batch.returns).square());
  }
  const torch::Tensor value_loss = 0.5 * errors.mean();
  const torch::Tensor entropy = entropies.mean();
  torch::Tensor loss = policy_loss - options.entropy_coefficient * entropy + options.value_coefficient * value_loss;

  const torch::NoGradGuard no_grad;
  sums.loss += loss.item<double>();
  sums.policy_loss += policy_loss.item<double>();
  sums.value_loss += value_loss.item<double>();
  sums.entropy += entropy.item<double>();
  sums.old_approx_kl += -log_ratio.mean().item<double>();
  sums.approx_kl += (ratio - 1 - log_ratio).mean().item<double>();  // http://joschu.net/blog/kl-approx.html
  sums.clip_fraction += ((ratio - 1).abs() > clip).to(at::kFloat).mean().item<double>();
  return loss;
}

}  // namespace manta::rl::detail
