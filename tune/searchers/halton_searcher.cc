#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <manta/tune/searcher.h>

#include "tune/searchers/draws.h"
#include "tune/searchers/sequence.h"

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
  detail::Sequence<Digits> sequence;

  Digits operator()(std::size_t dimension) const { return Digits(seed, dimension); }
};

HaltonSearcher::HaltonSearcher(std::uint64_t seed) : impl_(std::make_unique<Impl>(Impl{seed, {}})) {}
HaltonSearcher::~HaltonSearcher() = default;

void HaltonSearcher::begin(const History& history, const TrialRecord&) { impl_->sequence.update(history, *impl_); }

double HaltonSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  return impl_->sequence.number(trial.number, name, distribution, *impl_);
}

}  // namespace manta::tune
