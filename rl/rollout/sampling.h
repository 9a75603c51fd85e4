// How a policy's choice is drawn.
#pragma once

#include <cstdint>

namespace manta::rl::detail {

// Random numbers that depend on their place only: the run's seed, the environment among all of the run, and how many
// steps it has made. So they are the same however environments are divided among processes. (SplitMix64's output
// function over a counter.)
class StepNoise {
 public:
  StepNoise(std::uint64_t seed, std::uint64_t env, std::uint64_t step)
      : key_(mix(mix(mix(seed) + env * 0x9e3779b97f4a7c15ULL) + step * 0xd1342543de82ef95ULL)) {}

  // In [0, 1); number: which one of this step.
  double uniform(std::uint64_t number) const { return static_cast<double>(bits(number) >> 11) * 0x1p-53; }
  // Of the standard normal distribution.
  double normal(std::uint64_t number) const;

 private:
  static constexpr std::uint64_t mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  std::uint64_t bits(std::uint64_t number) const { return mix(key_ + number * 0x9e3779b97f4a7c15ULL); }

  std::uint64_t key_;
};

// One of n choices by their logits. Returns it and writes the logarithm of its probability.
std::int64_t draw_choice(const float* logits, std::int64_t n, const StepNoise& noise, float& log_prob);

// A number for each mean; log_stds: logarithms of their standard deviations.
void draw_normal(const float* means, const float* log_stds, std::int64_t n, const StepNoise& noise, float* out,
                 float& log_prob);

}  // namespace manta::rl::detail
