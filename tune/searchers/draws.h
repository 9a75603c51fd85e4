// Random numbers that are the same on every machine and with every standard library, made from what identifies them.
//
// Threading: one thread. Ownership: a value.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace manta::tune::detail {

// splitmix64's finaliser: each bit of the result depends on all bits of x.
inline std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline std::uint64_t hash_of(std::string_view text) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

// In [0, 1).
inline double share_of(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

class Draws {
 public:
  // The sequence of a seed, a trial's number and a name.
  Draws(std::uint64_t seed, std::int64_t number, std::string_view name)
      : state_(mixed(mixed(mixed(seed) ^ static_cast<std::uint64_t>(number)) ^ hash_of(name))) {}

  std::uint64_t bits() { return mixed(state_++ * 0x9e3779b97f4a7c15); }
  double share() { return share_of(bits()); }
  // Standard normal, by Box and Muller.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - share()));
    return radius * std::cos(2 * std::numbers::pi * share());
  }

 private:
  std::uint64_t state_;
};

}  // namespace manta::tune::detail
