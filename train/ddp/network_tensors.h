// The trained parameters of a network.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <torch/nn/module.h>

namespace manta::train::detail {

/// Parameters that require a gradient, each once, also if modules share it.
struct TrainedParameters {
  std::vector<at::Tensor> tensors;
  std::vector<bool> sparse;  // with a sparse gradient: the weight of an Embedding or EmbeddingBag with sparse(true)
  std::unordered_map<std::size_t, std::string> names;  // by index
};

/// Throws Error(invalid_argument) if there is none.
TrainedParameters trained_parameters(torch::nn::Module& network);

}  // namespace manta::train::detail
