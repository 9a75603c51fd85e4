// The arithmetic of a mixture of normal kernels, many kernels at a time: the inner loops of Parzen.
//
// Kernels are padded to a multiple of kLanes. Where the CPU has AVX2 it is used; each result is the same without.
//
// Threading: any. Ownership: none.
#pragma once

#include <cstddef>
#include <span>

namespace manta::tune::detail {

inline constexpr std::size_t kLanes = 16;

inline std::size_t padded(std::size_t kernels) { return (kernels + kLanes - 1) / kLanes * kLanes; }

// Kernels over some coordinates: of coordinate r, those of kernel k are at r * kernels + k.
struct NormalKernels {
  std::size_t kernels = 0;  // padded
  std::size_t coordinates = 0;
  const double* centre = nullptr;
  const double* narrow = nullptr;  // 1 / (width * sqrt(2))
};

// exp(-kNothing) times any number of kernels is less than a double's precision.
inline constexpr double kNothing = 50;

// terms[p * kernels + k] = constant[k] - the squared distance of point p to kernel k. points: p's coordinates are at
// p * of.coordinates. floors: of each point, below which a term need not be right, but must be below.
void subtract_squares(const NormalKernels& of, std::span<const double> constant, std::span<const double> points,
                      std::span<const double> floors, std::span<double> terms);

// log(sum(exp(terms))). Their number is a multiple of kLanes, the largest is finite. kLanes terms that are all kNothing
// below the largest are left out.
double log_sum_exp(std::span<const double> terms);

}  // namespace manta::tune::detail
