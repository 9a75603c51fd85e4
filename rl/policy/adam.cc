#include "rl/policy/adam.h"

#include <cmath>

namespace manta::rl::detail {

Adam::Adam(FlatParameters& parameters, double epsilon)
    : mean(at::zeros_like(parameters.values())),
      square(at::zeros_like(parameters.values())),
      parameters_(parameters),
      epsilon_(epsilon) {}

void Adam::step(double learning_rate) {
  constexpr double kMeanDecay = 0.9, kSquareDecay = 0.999;
  ++steps;
  const double mean_weight = 1 - std::pow(kMeanDecay, steps), square_weight = 1 - std::pow(kSquareDecay, steps);
  const auto rate = static_cast<float>(learning_rate / mean_weight);
  const auto root = static_cast<float>(1 / std::sqrt(square_weight)), epsilon = static_cast<float>(epsilon_);
  constexpr auto kKeepMean = static_cast<float>(kMeanDecay), kKeepSquare = static_cast<float>(kSquareDecay);
  const std::int64_t count = mean.numel();
  const float* __restrict gradient = parameters_.gradients().const_data_ptr<float>();
  float* __restrict value = parameters_.values().mutable_data_ptr<float>();
  float* __restrict m = mean.mutable_data_ptr<float>();
  float* __restrict v = square.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    m[i] = kKeepMean * m[i] + (1 - kKeepMean) * gradient[i];
    v[i] = kKeepSquare * v[i] + (1 - kKeepSquare) * gradient[i] * gradient[i];
    value[i] -= rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
  }
}

}  // namespace manta::rl::detail
