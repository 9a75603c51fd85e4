#include <manta/rl/rng.h>

#include <array>
#include <cmath>

namespace manta::rl {
namespace {

// numpy.random.SeedSequence(seed) with a pool of four words, as its reference (Melissa O'Neill's seed_seq_fe) has it.
class SeedSequence {
 public:
  explicit SeedSequence(std::uint64_t seed) {
    const std::array<std::uint32_t, 2> entropy{static_cast<std::uint32_t>(seed),
                                               static_cast<std::uint32_t>(seed >> 32)};
    std::uint32_t multiplier = 0x43b0d7e5;
    const auto hash = [&](std::uint32_t value) {
      value ^= multiplier;
      multiplier *= 0x931e8875;
      value *= multiplier;
      return value ^ (value >> 16);
    };
    for (std::size_t i = 0; i < pool_.size(); ++i) pool_[i] = hash(i < entropy.size() ? entropy[i] : 0);
    for (std::size_t from = 0; from < pool_.size(); ++from) {
      for (std::size_t to = 0; to < pool_.size(); ++to) {
        if (from == to) continue;
        const std::uint32_t mixed = pool_[to] * 0xca01f9ddU - hash(pool_[from]) * 0x4973f715U;
        pool_[to] = mixed ^ (mixed >> 16);
      }
    }
  }

  // generate_state(4, numpy.uint64)
  std::array<std::uint64_t, 4> state() const {
    std::array<std::uint64_t, 4> words{};
    std::uint32_t multiplier = 0x8b51f9dd;
    for (std::size_t i = 0; i < 2 * words.size(); ++i) {
      std::uint32_t value = pool_[i % pool_.size()] ^ multiplier;
      multiplier *= 0x58f38ded;
      value *= multiplier;
      value ^= value >> 16;
      words[i / 2] |= std::uint64_t{value} << (32 * (i % 2));
    }
    return words;
  }

 private:
  std::array<std::uint32_t, 4> pool_{};
};

constexpr double kTail = 3.6541528853610087963519472518;  // where the lowest layer goes over into the tail

// The 256 layers of Marsaglia and Tsang's ziggurat, for 52 random bits. NumPy has them as constants that were computed
// in double precision, from this area of a layer; this gives the same bits. The logarithms and exponentials are taken
// in long double and rounded, so that they do not depend on the C library.
struct Ziggurat {
  std::array<std::uint64_t, 256> inside{};  // below: under the curve, without further ado
  std::array<double, 256> width{};          // of a layer, per unit of the 52 bits
  std::array<double, 256> height{};         // of the curve, exp(-x * x / 2)

  Ziggurat() {
    constexpr double kUnits = 4503599627370496.0;  // 2^52
    constexpr double kArea = 0.0049286732339746518877;
    double x = kTail;
    height[255] = curve(x);
    inside[0] = static_cast<std::uint64_t>(x * height[255] / kArea * kUnits);
    width[0] = kArea / height[255] / kUnits;
    width[255] = x / kUnits;
    for (std::size_t i = 254; i >= 1; --i) {
      const long double below = kArea / x + height[i + 1];
      const double next = std::sqrt(-2 * static_cast<double>(std::log(below)));
      inside[i + 1] = static_cast<std::uint64_t>(std::llrint(next / x * kUnits));
      x = next;
      width[i] = x / kUnits;
      height[i] = curve(x);
      if (i == 38) height[i] = std::nextafter(height[i], 1.0);  // the one that NumPy's constants have rounded up
    }
    height[0] = 1;
  }

  static double curve(double x) { return static_cast<double>(std::exp(static_cast<long double>(-0.5 * x * x))); }
};

}  // namespace

Rng::Rng(std::uint64_t seed) {
  const auto words = SeedSequence(seed).state();
  increment_ = join(words[2], words[3]) << 1 | 1;
  state_ = (increment_ + join(words[0], words[1])) * kMultiplier + increment_;
}

double Rng::normal() {
  static const Ziggurat ziggurat;
  for (;;) {
    const std::uint64_t bits = (*this)();
    const std::size_t layer = bits & 0xff;
    const bool negative = (bits >> 8 & 1) != 0;
    const std::uint64_t units = bits >> 9 & 0x000fffffffffffff;
    const double distance = static_cast<double>(units) * ziggurat.width[layer];
    const double x = negative ? -distance : distance;
    if (units < ziggurat.inside[layer]) return x;
    if (layer == 0) {
      for (;;) {
        const double beyond = -0.27366123732975827203338247596 * std::log1p(-uniform());
        const double y = -std::log1p(-uniform());
        if (y + y > beyond * beyond) return (units >> 8 & 1) != 0 ? -(kTail + beyond) : kTail + beyond;
      }
    }
    const double above = ziggurat.height[layer - 1] - ziggurat.height[layer];
    if (above * uniform() + ziggurat.height[layer] < std::exp(-0.5 * x * x)) return x;
  }
}

std::uint64_t Rng::below(std::uint64_t n) {
  // Lemire: the high half of a product is uniform once the low halves that would favour some values are drawn again.
  Word product = Word{(*this)()} * n;
  if (low(product) < n) {
    const std::uint64_t unfair = -n % n;
    while (low(product) < unfair) product = Word{(*this)()} * n;
  }
  return high(product);
}

}  // namespace manta::rl
