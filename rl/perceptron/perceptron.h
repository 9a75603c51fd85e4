// A small perceptron, forward and backward, without a graph: for networks so small that LibTorch's operators cost more
// than their arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/rl/network_options.h>

#include "rl/perceptron/kernels.h"

namespace manta::rl::detail {

// Linear layers with an activation after each but the last. Rows go through all layers in blocks that stay in the
// cache.
//
// PERCEPTRON-1: what a row gives does not depend on the other rows, nor on how many there are.
//
// Threading: one thread at a time. Ownership: of copies of the weights, and of activations kept for backward().
//
//   Perceptron perceptron({4, 64, 64, 2}, Activation::tanh);
//   perceptron.set_layer(0, weight, bias);                  // after each change of the weights
//   perceptron.forward(inputs, rows, outputs);
//   perceptron.backward(output_gradients);                  // of that forward()
//   perceptron.add_gradients(0, weight_gradient, bias_gradient);
class Perceptron {
 public:
  // sizes: of the inputs, the hidden layers, the outputs.
  Perceptron(std::vector<std::int64_t> sizes, Activation activation,
             const Kernels& kernels = *available_kernels().front());

  std::size_t num_layers() const { return layers_.size(); }
  // weight: [outputs, inputs] of that layer, as torch.nn.Linear has it; bias: [outputs].
  void set_layer(std::size_t layer, const float* weight, const float* bias);

  // inputs: [rows, first size]; outputs: [rows, last size].
  void forward(const float* inputs, std::int64_t rows, float* outputs);
  // gradients: [rows, last size], of the outputs of the last forward(). What the weights' gradients were before is
  // gone.
  void backward(const float* gradients);
  // Adds what backward() found; shapes as in set_layer().
  void add_gradients(std::size_t layer, float* weight, float* bias) const;

 private:
  struct Layer {
    std::int64_t inputs, outputs;
    bool narrow;                         // so few outputs that dot products are faster
    std::vector<float> weight;           // [outputs, padded inputs]
    std::vector<float> transposed;       // [inputs, padded outputs]
    std::vector<float> bias;             // [padded outputs]
    std::vector<float> weight_gradient;  // as weight where narrow, else as transposed
    std::vector<float> bias_gradient;
    std::vector<float> values;  // [rows, padded outputs] of the last forward()
  };
  void forward_block(std::int64_t first, std::int64_t rows);
  void backward_block(std::int64_t first, std::int64_t rows);
  const float* inputs_of(std::size_t layer, std::int64_t row) const;

  const Kernels& kernels_;
  Activation activation_;
  std::vector<Layer> layers_;
  std::int64_t rows_ = 0;
  std::vector<float> inputs_;            // [rows, padded first size]
  std::vector<float> output_gradients_;  // [rows, padded last size]
  std::vector<float> gradients_[2];      // of a block, before and after a layer
};

}  // namespace manta::rl::detail
