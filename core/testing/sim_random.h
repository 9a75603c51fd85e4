// The only source of chance in a simulation: the same seed, the same numbers, on every platform.
#pragma once

#include <cstddef>
#include <cstdint>

#include <manta/ids.h>

namespace manta::sim {

// Splitmix64 (Steele et al., 2014). Cheap to fork: every task draws from its own.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { return detail::mix64(state_ += 0x9e3779b97f4a7c15ULL); }
  // In [0, n); n > 0 and below 2^32.
  std::uint64_t below(std::uint64_t n) { return ((next() >> 32) * n) >> 32; }
  // In [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  // True `percent` times in 100.
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  // Mostly small, sometimes up to high: a random power of two first.
  std::uint64_t skewed(std::uint64_t high) { return below((high >> below(8)) + 1); }

 private:
  std::uint64_t state_;
};

}  // namespace manta::sim
