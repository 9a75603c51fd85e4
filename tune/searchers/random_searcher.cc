#include <algorithm>
#include <cmath>

#include <manta/tune/searcher.h>

#include "tune/searchers/draws.h"

namespace manta::tune {

double RandomSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  using namespace detail;
  const std::uint64_t bits = mixed(mixed(mixed(seed_) ^ static_cast<std::uint64_t>(trial.number)) ^ hash_of(name));
  const double share = share_of(bits);
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
