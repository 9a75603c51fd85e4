// What an observation or an action may be: Gymnasium's spaces, as far as the environments here need them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

namespace manta::rl {

/// One of n choices, 0 to n - 1.
struct Discrete {
  std::int64_t n = 0;
};

/// A vector of floats between bounds, which may be infinite. low and high have one element each per component.
struct Box {
  std::vector<float> low, high;

  std::size_t size() const { return low.size(); }
};

using ActionSpace = std::variant<Discrete, Box>;

/// Floats in one action: the size of a Box, 1 for a Discrete (which is one integer).
inline std::size_t action_size(const ActionSpace& space) {
  const auto* box = std::get_if<Box>(&space);
  return box != nullptr ? box->size() : 1;
}

}  // namespace manta::rl
