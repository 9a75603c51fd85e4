// A node of the autograd graph behind a network's output.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace manta::train::detail {

/// Passes tensors through one node, like PyTorch's _DDPSink: in the backward pass outputs that the loss does not use
/// get undefined gradients, so that the reducer treats their parameters as ready. Calls on_backward when the pass
/// begins.
std::vector<at::Tensor> pass_through_sink(const std::vector<at::Tensor>& tensors, std::function<void()> on_backward);

}  // namespace manta::train::detail
