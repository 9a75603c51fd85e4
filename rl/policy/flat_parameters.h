// All parameters of a network in one tensor, and all gradients in another.
#pragma once

#include <torch/torch.h>

namespace manta::rl::detail {

// Moves the parameters of a module into one tensor, of which they are views from then on, so that one operation sends,
// clips or updates them all. Gradients are made and are views likewise: backward() adds to them in place.
//
// Threading: as the module. Ownership: shares the parameters' memory.
class FlatParameters {
 public:
  explicit FlatParameters(torch::nn::Module& module);

  torch::Tensor& values() { return values_; }        // float [number of all], a leaf whose grad() is gradients()
  torch::Tensor& gradients() { return gradients_; }  // zero_() them before backward()
  // Scales the gradients so that their norm is max_norm at most, as torch.nn.utils.clip_grad_norm_.
  void clip_gradients(double max_norm);

 private:
  torch::Tensor values_;
  torch::Tensor gradients_;
};

// The values that `flat` of another process holds, as those of the module, without a copy.
// Errors: throws Error(invalid_argument) where the sizes differ.
void view_parameters(torch::nn::Module& module, const torch::Tensor& flat);

}  // namespace manta::rl::detail
