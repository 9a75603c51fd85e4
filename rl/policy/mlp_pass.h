// An Mlp at the speed of its arithmetic.
#pragma once

#include <manta/rl/networks.h>

#include "rl/perceptron/perceptron.h"

namespace manta::rl::detail {

// Computes what MlpImpl::forward() and its backward() compute, without LibTorch's operators and graph: on networks of
// 64 wide layers about five times as fast.
//
//   MlpPass pass(network->critic);
//   pass.refresh();                                     // after each change of the weights
//   torch::Tensor values = pass.forward(observations);
//   pass.backward(gradients_of_values);                 // adds to the parameters' grad()
//
// Threading: one thread at a time. Ownership: shares the network.
class MlpPass {
 public:
  explicit MlpPass(Mlp network, const Kernels& kernels = *available_kernels().front());

  // Takes the weights as they are now.
  void refresh();
  // float [n, inputs], contiguous, to [n, outputs].
  torch::Tensor forward(const torch::Tensor& input);
  // The same for rows elsewhere; out: [rows, outputs].
  void forward(const float* input, std::int64_t rows, float* out) { perceptron_.forward(input, rows, out); }
  // gradient: float [n, outputs], of what the last forward() returned. The parameters must have grad().
  void backward(const torch::Tensor& gradient);

 private:
  Mlp network_;
  Perceptron perceptron_;
};

}  // namespace manta::rl::detail
