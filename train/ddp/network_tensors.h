// What a network trains.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <torch/nn/module.h>

namespace manta::train::detail {

/// Parameters that require a gradient, each once, also where modules share it.
struct TrainedParameters {
  std::vector<at::Tensor> tensors;
  std::vector<bool> sparse;  // its gradient is: the weight of an Embedding or EmbeddingBag with sparse(true)
  std::unordered_map<std::size_t, std::string> names;  // by index
};

/// Throws Error(invalid_argument) where there is none.
TrainedParameters trained_parameters(torch::nn::Module& network);

}  // namespace manta::train::detail
