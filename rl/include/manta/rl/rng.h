// NumPy's default random generator: SeedSequence and PCG64, to the bit.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace manta::rl {

/// The stream of numpy.random.Generator(PCG64(SeedSequence(seed))), which is what Gymnasium's environments draw from.
/// So a reset with the same seed starts in the same state as there.
///
///     Rng rng(42);
///     double x = rng.uniform(-0.05, 0.05);   // numpy.random.default_rng(42).uniform(-0.05, 0.05)
///
/// It is also a std::uniform_random_bit_generator.
///
/// **Threading**: one thread at a time. **Ownership**: a value of 32 bytes; copies go on from the same place.
/// Serialisable. **Errors**: none.
class Rng {
 public:
  using result_type = std::uint64_t;

  explicit Rng(std::uint64_t seed = 0);

  /// The next 64 bits.
  std::uint64_t operator()() {
    state_ = state_ * kMultiplier + increment_;
    const auto folded = static_cast<std::uint64_t>(state_ >> 64) ^ static_cast<std::uint64_t>(state_);
    const auto rotation = static_cast<unsigned>(state_ >> 122);
    return (folded >> rotation) | (folded << (-rotation & 63));
  }
  /// In [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>((*this)() >> 11) * (1.0 / 9007199254740992.0); }
  /// In [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Of the standard normal distribution, by NumPy's ziggurat.
  double normal();
  /// One of 0 to n - 1, each equally likely; n > 0. (NumPy's `integers` draws differently.)
  std::uint64_t below(std::uint64_t n);

  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return std::numeric_limits<std::uint64_t>::max(); }

  template <class Archive>
  void save(Archive& archive) const {
    archive(std::array{high(state_), low(state_), high(increment_), low(increment_)});
  }
  template <class Archive>
  void load(Archive& archive) {
    std::array<std::uint64_t, 4> words{};
    archive(words);
    state_ = join(words[0], words[1]);
    increment_ = join(words[2], words[3]);
  }

  bool operator==(const Rng&) const = default;

 private:
  __extension__ using Word = unsigned __int128;
  static constexpr Word join(std::uint64_t high, std::uint64_t low) { return Word{high} << 64 | low; }
  static constexpr std::uint64_t high(Word word) { return static_cast<std::uint64_t>(word >> 64); }
  static constexpr std::uint64_t low(Word word) { return static_cast<std::uint64_t>(word); }
  static constexpr Word kMultiplier = Word{2549297995355413924ULL} << 64 | 4865540595714422341ULL;

  Word state_ = 0;
  Word increment_ = 0;
};

}  // namespace manta::rl
