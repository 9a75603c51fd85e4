#include "tune/searchers/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace manta::tune::detail {

namespace {

// Four numbers, as GCC and Clang know them; without AVX2 the compiler makes them of two pairs.
using Four = double __attribute__((vector_size(32)));
using FourWhole = std::int64_t __attribute__((vector_size(32)));
using FourAnywhere = double __attribute__((vector_size(32), aligned(8), may_alias));
constexpr std::size_t kWide = 4;
static_assert(kLanes == 4 * kWide);

#define MANTA_INLINE inline __attribute__((always_inline))

MANTA_INLINE const FourAnywhere& at(const double* from, std::size_t i) {
  return reinterpret_cast<const FourAnywhere*>(from)[i];
}
MANTA_INLINE FourAnywhere& at(double* from, std::size_t i) { return reinterpret_cast<FourAnywhere*>(from)[i]; }

MANTA_INLINE void subtract(Four& sum, double x, const FourAnywhere& centre, const FourAnywhere& narrow) {
  const Four z = (x - centre) * narrow;
  sum -= z * z;
}

MANTA_INLINE void squares(const NormalKernels& of, const double* constant, const double* points, const double* floors,
                          double* terms, std::size_t count) {
  constexpr std::size_t kLook = 4;  // coordinates from one look at the sums to the next
  for (std::size_t tile = 0; tile < of.kernels; tile += kLanes) {
    for (std::size_t p = 0; p < count; ++p) {
      double* const own = terms + p * of.kernels + tile;
      const double* const from = constant + tile;
      Four a = at(from, 0), b = at(from, 1), c = at(from, 2), d = at(from, 3);  // kLanes
      for (std::size_t r = 0; r < of.coordinates; ++r) {
        const double x = points[p * of.coordinates + r];
        const double* const centre = of.centre + r * of.kernels + tile;
        const double* const narrow = of.narrow + r * of.kernels + tile;
        subtract(a, x, at(centre, 0), at(narrow, 0));
        subtract(b, x, at(centre, 1), at(narrow, 1));
        subtract(c, x, at(centre, 2), at(narrow, 2));
        subtract(d, x, at(centre, 3), at(narrow, 3));
        if (r % kLook != kLook - 1) continue;
        const double floor = floors[p];
        const Four ab = a > b ? a : b, cd = c > d ? c : d, most = ab > cd ? ab : cd;
        if (most[0] < floor && most[1] < floor && most[2] < floor && most[3] < floor) break;  // they only fall
      }
      at(own, 0) = a;
      at(own, 1) = b;
      at(own, 2) = c;
      at(own, 3) = d;
    }
  }
}

// exp(x - most) of four numbers up to `most`, by exp(n log 2) exp(r) with |r| up to log(2) / 2, and the Taylor series
// of the latter up to r^12. Below exp(-700) it is that.
MANTA_INLINE void add_exponentials(const double* terms, double most, Four& sum) {
  constexpr double kPerLog2 = 1.4426950408889634074, kLog2High = 0x1.62e42fefa38p-1,
                   kLog2Low = 0x1.ef35793c7673p-45;  // kLog2High: its last bits are 0, so that n times it is exact
  constexpr double kRound = 0x1.8p52;                // what is added to it is rounded to a whole number
  constexpr double kSeries[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1.0,         1.0};
  Four x = at(terms, 0) - most;
  const Four least = Four{} - 700;
  x = x > least ? x : least;
  const Four shifted = x * kPerLog2 + kRound;
  const Four n = shifted - kRound;
  const Four r = x - n * kLog2High - n * kLog2Low;
  Four series = Four{} + kSeries[0];
  for (std::size_t i = 1; i < std::size(kSeries); ++i) series = series * r + kSeries[i];
  FourWhole bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;  // 2^n
  Four power;
  std::memcpy(&power, &bits, sizeof power);
  sum += series * power;
}

MANTA_INLINE double log_sum(const double* terms, std::size_t count, double most) {
  Four sum = {};
  const double floor = most - kNothing;
  for (std::size_t tile = 0; tile < count; tile += kLanes) {
    const double* const own = terms + tile;
    const Four a = at(own, 0), b = at(own, 1), c = at(own, 2), d = at(own, 3);
    const Four ab = a > b ? a : b, cd = c > d ? c : d, here = ab > cd ? ab : cd;
    if (here[0] < floor && here[1] < floor && here[2] < floor && here[3] < floor) continue;
    for (std::size_t i = 0; i < kLanes; i += kWide) add_exponentials(own + i, most, sum);
  }
  return most + std::log((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

#if defined(__x86_64__)
#define MANTA_AVX2 __attribute__((target("avx2")))
MANTA_AVX2 void squares_avx2(const NormalKernels& of, const double* constant, const double* points,
                             const double* floors, double* terms, std::size_t count) {
  squares(of, constant, points, floors, terms, count);
}
MANTA_AVX2 double log_sum_avx2(const double* terms, std::size_t count, double most) {
  return log_sum(terms, count, most);
}
const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
#else
constexpr bool has_avx2 = false;
constexpr auto* squares_avx2 = &squares;
constexpr auto* log_sum_avx2 = &log_sum;
#endif

}  // namespace

void subtract_squares(const NormalKernels& of, std::span<const double> constant, std::span<const double> points,
                      std::span<const double> floors, std::span<double> terms) {
  if (has_avx2) return squares_avx2(of, constant.data(), points.data(), floors.data(), terms.data(), floors.size());
  squares(of, constant.data(), points.data(), floors.data(), terms.data(), floors.size());
}

double log_sum_exp(std::span<const double> terms) {
  double most[kWide];
  std::copy_n(terms.begin(), kWide, most);
  for (std::size_t i = kWide; i < terms.size(); i += kWide) {
    for (std::size_t j = 0; j < kWide; ++j) most[j] = std::max(most[j], terms[i + j]);
  }
  const double largest = std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
  return has_avx2 ? log_sum_avx2(terms.data(), terms.size(), largest) : log_sum(terms.data(), terms.size(), largest);
}

}  // namespace manta::tune::detail
