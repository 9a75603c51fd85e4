// CartPole's equations for many carts at once: loops that the compiler vectorises.
#pragma once

#include <cstddef>
#include <cstdint>

namespace manta::rl::cart_pole {

// One array per quantity, so that a vector register holds one of several carts.
struct Carts {
  double* x;
  double* x_dot;
  double* theta;
  double* theta_dot;
  std::int64_t* length;  // steps of the episode so far
};

// What a step reads and writes, beside the carts: see VectorEnv::step.
struct Rows {
  const std::int64_t* actions;
  float* observations;
  float* rewards;
  std::uint8_t* terminated;
  std::uint8_t* truncated;
};

// Steps `count` carts; truncates those that have made `limit` steps. Actions are 0 or 1. Returns the number of ended
// ones, and writes their indices to `ended`, which has space for all.
using Steps = std::size_t (*)(const Carts& carts, std::size_t count, std::int64_t limit, const Rows& rows,
                              std::uint32_t* ended);

std::size_t steps_anywhere(const Carts&, std::size_t, std::int64_t, const Rows&, std::uint32_t*);
std::size_t steps_avx2(const Carts&, std::size_t, std::int64_t, const Rows&, std::uint32_t*);

// The fastest that this processor has.
Steps best_steps();

}  // namespace manta::rl::cart_pole
