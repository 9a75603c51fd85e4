#include "rl/policy/flat_parameters.h"

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
  const float norm = gradients_.norm().item<float>();
  const double scale = max_norm / (static_cast<double>(norm) + 1e-6);
  if (scale < 1) gradients_.mul_(scale);
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
                std::to_string(flat.numel()) + ". Next: give all processes of a run the same NetworkOptions.");
  }
}

}  // namespace manta::rl::detail
