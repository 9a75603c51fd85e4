#include <algorithm>
#include <cmath>

#include <manta/tune/searcher.h>

namespace manta::tune {

namespace {

// splitmix64's finaliser: each bit of the result depends on all bits of x.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t hash_of(std::string_view text) {  // FNV-1a: the same on every machine
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

double RandomSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  const std::uint64_t bits = mixed(mixed(mixed(seed_) ^ static_cast<std::uint64_t>(trial.number)) ^ hash_of(name));
  const double share = static_cast<double>(bits >> 11) * 0x1p-53;  // in [0, 1)
  const double low = distribution.low, high = distribution.high;
  double number = 0;
  switch (distribution.kind) {
    case Distribution::Kind::real:
      number = distribution.log ? std::exp(std::log(low) + share * (std::log(high) - std::log(low)))
                                : low + share * (high - low);
      if (!std::isfinite(high - low)) number = std::lerp(low, high, share);
      return std::clamp(number, low, high);
    case Distribution::Kind::integer:
      // Each number of the logarithmic range stands for what rounds to it.
      number = distribution.log
                   ? std::round(std::exp(std::log(low - 0.5) + share * (std::log(high + 0.5) - std::log(low - 0.5))))
                   : low + std::floor(share * (high - low + 1));
      return std::clamp(number, low, high);
    case Distribution::Kind::categorical:
      break;
  }
  const auto size = static_cast<double>(distribution.choices->size());
  return std::min(std::floor(share * size), size - 1);
}

}  // namespace manta::tune
