// One dimension of a Sobol sequence (Sobol, 1967) with the direction numbers of Joe and Kuo ("Constructing Sobol
// sequences with better two-dimensional projections", 2008), each digit scrambled by those before it (Owen, "Randomly
// permuted (t,m,s)-nets and (t,s)-sequences", 1995).
//
// Threading: immutable. Ownership: a value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace manta::tune::detail {

class Sobol {
 public:
  static constexpr std::size_t kMostDimensions = 64;

  // dimension: from 0, below kMostDimensions.
  Sobol(std::size_t dimension, std::uint64_t seed);
  // In [0, 1). The sequence repeats after 2^32 points.
  double point(std::uint64_t index) const;

 private:
  std::array<std::uint32_t, 32> directions_{};
  std::uint64_t seed_;
};

}  // namespace manta::tune::detail
