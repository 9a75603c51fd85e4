#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <manta/tune/searcher.h>

#include "tune/searchers/draws.h"
#include "tune/searchers/scale.h"

namespace manta::tune {

namespace {

// 2, 3, 5, ...
std::uint32_t prime(std::size_t index) {
  for (std::uint32_t number = 2;; ++number) {
    bool is_prime = true;
    for (std::uint32_t by = 2; by * by <= number && is_prime; ++by) is_prime = number % by != 0;
    if (is_prime && index-- == 0) return number;
  }
}

// Digits of a base in a random order. A number has endless zeros in front, so 0 is moved, too: its digits end at the
// precision of a double.
class Digits {
 public:
  Digits(std::uint64_t seed, std::size_t dimension) : base_(prime(dimension)) {
    detail::Draws draws(seed, static_cast<std::int64_t>(dimension), "digits");
    for (std::uint32_t digit = 0; digit < base_; ++digit) order_.push_back(digit);
    for (std::uint32_t last = base_; last > 1; --last) {
      std::swap(order_[last - 1], order_[static_cast<std::uint32_t>(draws.bits() % last)]);
    }
  }
  // In [0, 1).
  double point(std::uint64_t index) const {
    double share = 0, place = 1;
    while (place > 0x1p-53) {
      place /= base_;
      share += order_[index % base_] * place;
      index /= base_;
    }
    return std::min(share, 1 - 0x1p-53);
  }

 private:
  std::uint32_t base_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

struct HaltonSearcher::Impl {
  std::uint64_t seed = 0;
  std::map<std::string, Digits, std::less<>> dimensions;
  std::size_t seen = 0;  // trials of the history whose names are known

  const Digits& digits_of(std::string_view name) {
    const auto known = dimensions.find(name);
    if (known != dimensions.end()) return known->second;
    return dimensions.emplace(std::string(name), Digits(seed, dimensions.size())).first->second;
  }
};

HaltonSearcher::HaltonSearcher(std::uint64_t seed) : impl_(std::make_unique<Impl>(Impl{seed, {}, 0})) {}
HaltonSearcher::~HaltonSearcher() = default;

void HaltonSearcher::begin(const History& history, const TrialRecord&) {
  for (; impl_->seen < history.trials.size(); ++impl_->seen) {
    for (const Param& param : history.trials[impl_->seen].params) {
      if (!param.distribution.grid) (void)impl_->digits_of(param.name);
    }
  }
}

double HaltonSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  const double share = impl_->digits_of(name).point(static_cast<std::uint64_t>(trial.number));
  if (distribution.kind != Distribution::Kind::categorical) return detail::Scale(distribution).number_at(share);
  const auto size = static_cast<double>(distribution.choices->size());
  return std::min(std::floor(share * size), size - 1);
}

}  // namespace manta::tune
