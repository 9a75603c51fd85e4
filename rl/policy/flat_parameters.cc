#include "rl/policy/flat_parameters.h"

#include <cmath>
#include <numeric>
#include <string>

#include <manta/error.h>

namespace manta::rl::detail {

FlatParameters::FlatParameters(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& parameter : module.parameters()) parts.push_back(parameter.reshape(-1));
  values_ = at::cat(parts);
  gradients_ = at::zeros_like(values_);
  values_.mutable_grad() = gradients_;
  view_parameters(module, values_);
  std::int64_t at = 0;
  for (torch::Tensor& parameter : module.parameters()) {
    parameter.mutable_grad() = gradients_.narrow(0, at, parameter.numel()).view(parameter.sizes());
    at += parameter.numel();
  }
}

void FlatParameters::clip_gradients(double max_norm) {
  float* gradient = gradients_.mutable_data_ptr<float>();
  const std::int64_t count = gradients_.numel();
  double squares[8] = {};  // several sums, so that they need not wait for each other
  for (std::int64_t i = 0; i < count; ++i) squares[i % 8] += static_cast<double>(gradient[i]) * gradient[i];
  const double scale = max_norm / (std::sqrt(std::accumulate(squares, squares + 8, 0.0)) + 1e-6);
  if (scale >= 1) return;
  for (std::int64_t i = 0; i < count; ++i) gradient[i] *= static_cast<float>(scale);
}

void view_parameters(torch::nn::Module& module, const torch::Tensor& flat) {
  const torch::NoGradGuard no_grad;
  std::int64_t at = 0;
  for (torch::Tensor& parameter : module.parameters()) {
    if (at + parameter.numel() > flat.numel()) break;
    parameter.set_data(flat.narrow(0, at, parameter.numel()).view(parameter.sizes()));
    at += parameter.numel();
  }
  std::int64_t all = 0;
  for (const torch::Tensor& parameter : module.parameters()) all += parameter.numel();
  if (all != flat.numel()) {
    throw Error(ErrorCode::invalid_argument, "a network of " + std::to_string(all) + " parameters was given " +
                                                 std::to_string(flat.numel()) +
                                                 ". Next: give all processes of a run the same NetworkOptions.");
  }
}

}  // namespace manta::rl::detail
