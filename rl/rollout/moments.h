// Running mean and variance.
#pragma once

#include <cstddef>
#include <span>

#include <manta/rl/detail/rollout_worker.h>

namespace manta::rl::detail {

// As gymnasium.wrappers.utils.RunningMeanStd starts: variance 1, as if 1e-4 of a sample had been seen.
Moments first_moments(std::size_t size);
Moments no_moments(std::size_t size);

// Adds rows of as many numbers as the moments have.
void add_rows(Moments& moments, std::span<const float> rows);
void add_rows(Moments& moments, std::span<const double> rows);
void merge(Moments& moments, const Moments& other);

// (x - mean) / sqrt(variance + 1e-8), clipped to +-10; rows in place or elsewhere.
void normalize_rows(const Moments& moments, std::span<const float> rows, float* out);

}  // namespace manta::rl::detail
