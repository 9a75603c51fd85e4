// How large the networks of the algorithms are.
#pragma once

#include <cstdint>
#include <vector>

namespace manta::rl {

/// Activation function of the hidden layers.
enum class Activation : std::uint8_t { tanh, relu };

/// Layers of a policy's networks.
struct NetworkOptions {
  std::vector<std::int64_t> hidden_sizes{64, 64};  ///< outputs of the hidden layers; none: a linear function
  Activation activation = Activation::tanh;
};

}  // namespace manta::rl
