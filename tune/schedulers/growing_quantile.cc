#include <cmath>
#include <cstddef>
#include <iterator>

#include <manta/tune/scheduler.h>

namespace manta::tune::detail {

void GrowingQuantile::add(double value) {
  if (!low_.empty() && value < *low_.rbegin()) {
    low_.insert(value);
  } else {
    high_.insert(value);
  }
  balance();
}

void GrowingQuantile::remove(double value) {
  const auto low = low_.find(value);
  if (low != low_.end()) {
    low_.erase(low);
  } else if (const auto high = high_.find(value); high != high_.end()) {
    high_.erase(high);
  }
  balance();
}

void GrowingQuantile::balance() {
  const std::size_t all = size();
  const std::size_t below = all == 0 ? 0 : static_cast<std::size_t>(share_ * static_cast<double>(all - 1)) + 1;
  while (low_.size() < below) low_.insert(low_.end(), high_.extract(high_.begin()));
  while (low_.size() > below) high_.insert(high_.begin(), low_.extract(std::prev(low_.end())));
}

double GrowingQuantile::value() const {
  const double low = *low_.rbegin();
  if (high_.empty()) return low;
  const double place = share_ * static_cast<double>(size() - 1);
  const double part = place - std::floor(place);
  const double high = *high_.begin();
  if (part == 0 || low == high || std::isinf(low) || std::isinf(high)) return low;
  return low + part * (high - low);
}

}  // namespace manta::tune::detail
