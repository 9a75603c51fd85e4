#include "rl/algorithms/ppo_loss.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace manta::rl::detail {
namespace {

// Of one action: the logarithm of its probability, and the entropy of what it was drawn from.
struct Likelihood {
  float log_prob = 0, entropy = 0;
};

class Choices {
 public:
  Choices(const torch::Tensor& output, const torch::Tensor& actions)
      : logits_(output.const_data_ptr<float>()),
        actions_(actions.const_data_ptr<std::int64_t>()),
        size_(output.size(1)),
        p_(static_cast<std::size_t>(size_)),
        log_p_(p_.size()) {}

  Likelihood likelihood(std::int64_t row) {
    const float* logits = logits_ + row * size_;
    const float largest = *std::max_element(logits, logits + size_);
    float sum = 0;
    for (std::size_t i = 0; i < p_.size(); ++i) sum += p_[i] = std::exp(logits[i] - largest);
    const float log_sum = std::log(sum);
    entropy_ = 0;
    for (std::size_t i = 0; i < p_.size(); ++i) {
      p_[i] /= sum;
      log_p_[i] = logits[i] - largest - log_sum;
      entropy_ -= p_[i] * log_p_[i];
    }
    return {log_p_[static_cast<std::size_t>(actions_[row])], entropy_};
  }

  // by: how the loss grows with the last likelihood.
  void backward(std::int64_t row, const Likelihood& by, float* gradient) const {
    const auto action = static_cast<std::size_t>(actions_[row]);
    for (std::size_t i = 0; i < p_.size(); ++i) {
      gradient[i] = by.log_prob * ((i == action ? 1.0F : 0.0F) - p_[i]) - by.entropy * p_[i] * (log_p_[i] + entropy_);
    }
  }

 private:
  const float* logits_;
  const std::int64_t* actions_;
  std::int64_t size_;
  std::vector<float> p_, log_p_;
  float entropy_ = 0;
};

class Normals {
 public:
  Normals(const torch::Tensor& means, const torch::Tensor& log_std, const torch::Tensor& actions,
          float* log_std_gradient)
      : means_(means.const_data_ptr<float>()),
        log_std_(log_std.const_data_ptr<float>()),
        actions_(actions.const_data_ptr<float>()),
        log_std_gradient_(log_std_gradient),
        size_(means.size(1)) {
    for (std::int64_t i = 0; i < size_; ++i) {
      inverse_.push_back(std::exp(-log_std_[i]));
      constant_ -= log_std_[i] + kHalfLogTwoPi;
      entropy_ += log_std_[i] + 0.5F + kHalfLogTwoPi;
    }
  }

  Likelihood likelihood(std::int64_t row) const {
    float squares = 0;
    for (std::int64_t i = 0; i < size_; ++i) squares += distance(row, i) * distance(row, i);
    return {constant_ - 0.5F * squares, entropy_};
  }

  void backward(std::int64_t row, const Likelihood& by, float* gradient) const {
    for (std::int64_t i = 0; i < size_; ++i) {
      const float z = distance(row, i);
      gradient[i] = by.log_prob * z * inverse_[static_cast<std::size_t>(i)];
      log_std_gradient_[i] += by.log_prob * (z * z - 1) + by.entropy;
    }
  }

 private:
  static constexpr auto kHalfLogTwoPi = 0.91893853320467274178F;
  float distance(std::int64_t row, std::int64_t i) const {
    return (actions_[row * size_ + i] - means_[row * size_ + i]) * inverse_[static_cast<std::size_t>(i)];
  }

  const float* means_;
  const float* log_std_;
  const float* actions_;
  float* log_std_gradient_;
  std::int64_t size_;
  std::vector<float> inverse_;
  float constant_ = 0, entropy_ = 0;
};

struct Scale {
  float mean = 0, factor = 1;
};

Scale scale_of(const torch::Tensor& advantages, bool normalize) {
  if (!normalize) return {};
  const auto* at = advantages.const_data_ptr<float>();
  const std::int64_t n = advantages.numel();
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += at[i];
  const double mean = sum / static_cast<double>(n);
  for (std::int64_t i = 0; i < n; ++i) squares += (at[i] - mean) * (at[i] - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(n - 1));
  return {static_cast<float>(mean), static_cast<float>(1 / (deviation + 1e-8))};
}

template <class Distribution>
void policy_part(Distribution& actions, const Minibatch& batch, const PpoOptions& options, torch::Tensor& gradient,
                 PpoLosses& sums) {
  const std::int64_t n = gradient.size(0), size = gradient.size(1);
  const auto clip = static_cast<float>(options.clip_coefficient), share = 1.0F / static_cast<float>(n);
  const float by_entropy = -static_cast<float>(*options.entropy_coefficient) * share;
  const Scale scale = scale_of(batch.advantages, options.normalize_advantages);
  const auto* then = batch.log_probs.const_data_ptr<float>();
  const auto* advantages = batch.advantages.const_data_ptr<float>();
  auto* out = gradient.mutable_data_ptr<float>();
  double loss = 0, entropy = 0, log_ratios = 0, kl = 0, clipped = 0;
  for (std::int64_t row = 0; row < n; ++row) {
    const Likelihood now = actions.likelihood(row);
    const float advantage = (advantages[row] - scale.mean) * scale.factor;
    const float log_ratio = now.log_prob - then[row], ratio = std::exp(log_ratio);
    const float plain = -advantage * ratio, bounded = -advantage * std::clamp(ratio, 1 - clip, 1 + clip);
    loss += std::max(plain, bounded);
    entropy += now.entropy;
    log_ratios += log_ratio;
    kl += ratio - 1 - log_ratio;  // http://joschu.net/blog/kl-approx.html
    clipped += std::abs(ratio - 1) > clip;
    actions.backward(row, {plain >= bounded ? plain * share : 0.0F, by_entropy}, out + row * size);
  }
  const auto count = static_cast<double>(n);
  sums.loss += (loss - *options.entropy_coefficient * entropy) / count;
  sums.policy_loss += loss / count;
  sums.entropy += entropy / count;
  sums.old_approx_kl -= log_ratios / count;
  sums.approx_kl += kl / count;
  sums.clip_fraction += clipped / count;
}

void value_part(const torch::Tensor& values, const Minibatch& batch, const PpoOptions& options, torch::Tensor& gradient,
                PpoLosses& sums) {
  const std::int64_t n = values.numel();
  const auto clip = static_cast<float>(options.clip_coefficient);
  const float scale = static_cast<float>(options.value_coefficient) / static_cast<float>(n);
  const auto* now = values.const_data_ptr<float>();
  const auto* then = batch.values.const_data_ptr<float>();
  const auto* returns = batch.returns.const_data_ptr<float>();
  auto* out = gradient.mutable_data_ptr<float>();
  double squares = 0;
  for (std::int64_t row = 0; row < n; ++row) {
    float error = now[row] - returns[row], slope = error;
    if (options.clip_value_loss) {
      const float bounded = then[row] + std::clamp(now[row] - then[row], -clip, clip) - returns[row];
      if (bounded * bounded > error * error) {
        error = bounded;
        slope = std::abs(now[row] - then[row]) <= clip ? bounded : 0.0F;
      }
    }
    squares += error * error;
    out[row] = scale * slope;
  }
  const double loss = 0.5 * squares / static_cast<double>(n);
  sums.value_loss += loss;
  sums.loss += options.value_coefficient * loss;
}

}  // namespace

PpoGradients ppo_loss(const ActorCriticImpl& network, const torch::Tensor& output, const torch::Tensor& values,
                      const Minibatch& batch, const PpoOptions& options, PpoLosses& sums) {
  PpoGradients gradients{at::empty_like(output), at::empty_like(values), {}};
  if (network.shape().discrete) {
    Choices choices(output, batch.actions);
    policy_part(choices, batch, options, gradients.output, sums);
  } else {
    gradients.log_std = at::zeros({network.shape().size}, at::kFloat);
    Normals normals(output, network.log_std, batch.actions, gradients.log_std.mutable_data_ptr<float>());
    policy_part(normals, batch, options, gradients.output, sums);
  }
  value_part(values, batch, options, gradients.values, sums);
  return gradients;
}

}  // namespace manta::rl::detail
