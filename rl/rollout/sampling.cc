#include "rl/rollout/sampling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace manta::rl::detail {

double StepNoise::normal(std::uint64_t number) const {
  // Box and Muller's; 1 - uniform, so that the logarithm is never of 0.
  const double radius = std::sqrt(-2 * std::log(1 - uniform(2 * number)));
  return radius * std::cos(2 * std::numbers::pi * uniform(2 * number + 1));
}

std::int64_t draw_choice(const float* logits, std::int64_t n, const StepNoise& noise, float& log_prob) {
  const float largest = *std::max_element(logits, logits + n);
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(logits[i] - largest);
  const auto wanted = static_cast<float>(noise.uniform(0)) * sum;
  float below = 0;
  std::int64_t chosen = 0;
  for (; chosen < n - 1; ++chosen) {
    below += std::exp(logits[chosen] - largest);
    if (wanted < below) break;
  }
  log_prob = logits[chosen] - largest - std::log(sum);
  return chosen;
}

void draw_normal(const float* means, const float* log_stds, std::int64_t n, const StepNoise& noise, float* out,
                 float& log_prob) {
  const double half_log_two_pi = 0.5 * std::log(2 * std::numbers::pi);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double z = noise.normal(static_cast<std::uint64_t>(i));
    out[i] = static_cast<float>(means[i] + std::exp(log_stds[i]) * z);
    sum += -0.5 * z * z - log_stds[i] - half_log_two_pi;
  }
  log_prob = static_cast<float>(sum);
}

}  // namespace manta::rl::detail
