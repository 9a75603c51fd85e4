#include "tune/searchers/parzen.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace manta::tune::detail {

namespace {

constexpr std::size_t kFlat = 25;  // so many of the newest observations have full weight, the older ones less and less

double weight_of(std::size_t i, std::size_t n) {
  if (n < kFlat || i >= n - kFlat) return 1;
  const double first = 1.0 / static_cast<double>(n);
  const std::size_t ramp = n - kFlat;
  return ramp == 1 ? first : first + (1 - first) * static_cast<double>(i) / static_cast<double>(ramp - 1);
}

// Of the standard normal distribution between a and b.
double mass(double a, double b) {
  constexpr double kRoot = std::numbers::sqrt2 / 2;
  constexpr double kAll = 8.3;  // beyond it is less than a double's precision
  if (a < -kAll && b > kAll) return 1;
  if (a > 0) return (std::erfc(a * kRoot) - std::erfc(b * kRoot)) / 2;
  if (b < 0) return (std::erfc(-b * kRoot) - std::erfc(-a * kRoot)) / 2;
  return 1 - (std::erfc(-a * kRoot) + std::erfc(b * kRoot)) / 2;
}

double log_of(double share) { return std::log(std::max(share, 1e-300)); }

std::vector<std::uint32_t> order_of(std::span<const double> values) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return std::pair(values[a], a) < std::pair(values[b], b); });
  return order;
}

const double kLogRoot = std::log(std::sqrt(2 * std::numbers::pi));

}  // namespace

Parzen::Parzen(std::span<const Dimension> dimensions, std::span<const std::vector<double>> observations,
               std::span<const Order> orders)
    : dimensions_(dimensions.begin(), dimensions.end()),
      kernels_(observations.empty() ? 1 : observations[0].size() + 1),
      numbers_(dimensions_.size()),
      choices_(dimensions_.size()),
      terms_(kernels_) {
  std::vector<double> weights(kernels_, 1.0);
  for (std::size_t i = 0; i + 1 < kernels_; ++i) weights[i] = weight_of(i, kernels_ - 1);
  const double together = std::accumulate(weights.begin(), weights.end(), 0.0);
  cumulative_.resize(kernels_);
  std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
  for (double& each : cumulative_) each /= together;
  for (const double weight : weights) constant_.push_back(std::log(weight / together));
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (dimensions_[d].choices > 0) {
      choices_[d].observed.resize(kernels_);
    } else {
      numbers_[d].centre.resize(kernels_);
    }
    const std::span<const double> values(observations[d]);
    if (dimensions_[d].choices > 0) {
      add_choices(dimensions_[d], values);
    } else {
      add_numbers(dimensions_[d], values, orders.empty() ? order_of(values) : orders[d]);
    }
  }
}

void Parzen::add_choices(const Dimension& dimension, std::span<const double> observations) {
  Choices& choices = choices_[static_cast<std::size_t>(&dimension - dimensions_.data())];
  const double extra = 1.0 / static_cast<double>(kernels_);
  const auto size = static_cast<double>(dimension.choices);
  choices.base = extra / (1 + extra * size);
  choices.more = (1 + extra) / (1 + extra * size);
  choices.prior = 1 / size;
  for (std::size_t k = 0; k + 1 < kernels_; ++k) choices.observed[k] = static_cast<std::size_t>(observations[k]);
}

void Parzen::add_numbers(const Dimension& dimension, std::span<const double> observations, const Order& order) {
  Numbers& numbers = numbers_[static_cast<std::size_t>(&dimension - dimensions_.data())];
  const Scale& scale = dimension.scale;
  const std::size_t n = observations.size();
  const double width = scale.width() > 0 ? scale.width() : 1;
  const double least = width / std::min(100.0, 1.0 + static_cast<double>(kernels_));
  numbers.narrow.resize(kernels_);
  for (std::size_t i = 0; i < n; ++i) {
    const double at = observations[order[i]];
    // To the farther neighbour; the ends of the range count only where there is no other neighbour.
    const double before = i > 0 ? at - observations[order[i - 1]] : n > 1 ? 0 : at - scale.begin();
    const double after = i + 1 < n ? observations[order[i + 1]] - at : n > 1 ? 0 : scale.end() - at;
    numbers.centre[order[i]] = at;
    numbers.narrow[order[i]] = 1 / std::clamp(std::max(before, after), least, width);
  }
  numbers.centre.back() = (scale.begin() + scale.end()) / 2;
  numbers.narrow.back() = 1 / width;
  for (std::size_t k = 0; k < kernels_; ++k) {
    const double narrow = numbers.narrow[k];
    constant_[k] +=
        std::log(narrow) - kLogRoot -
        log_of(mass((scale.begin() - numbers.centre[k]) * narrow, (scale.end() - numbers.centre[k]) * narrow));
  }
}

void Parzen::sample(Draws& draws, std::vector<double>& point) const {
  point.resize(dimensions_.size());
  const auto at = std::upper_bound(cumulative_.begin(), cumulative_.end(), draws.share());
  const auto kernel = std::min(static_cast<std::size_t>(at - cumulative_.begin()), kernels_ - 1);
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    const Dimension& dimension = dimensions_[d];
    if (dimension.choices > 0) {
      const Choices& choices = choices_[d];
      double left = draws.share();
      std::size_t choice = 0;
      for (; choice + 1 < dimension.choices; ++choice) {
        const bool prior = kernel + 1 == kernels_;
        left -= prior ? choices.prior : choice == choices.observed[kernel] ? choices.more : choices.base;
        if (left < 0) break;
      }
      point[d] = static_cast<double>(choice);
      continue;
    }
    const Scale& scale = dimension.scale;
    const double centre = numbers_[d].centre[kernel], width = 1 / numbers_[d].narrow[kernel];
    if (scale.width() <= 0) {
      point[d] = scale.begin();
      continue;
    }
    double value = centre;
    do {  // the centre is in the range and the kernel no wider than that: one of three is
      value = centre + width * draws.normal();
    } while (value < scale.begin() || value > scale.end());
    point[d] = scale.to(scale.from(value));
  }
}

double Parzen::log_density(std::span<const double> point) {
  std::copy(constant_.begin(), constant_.end(), terms_.begin());
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    const Dimension& dimension = dimensions_[d];
    if (dimension.choices > 0) {
      const Choices& choices = choices_[d];
      const auto choice = static_cast<std::size_t>(point[d]);
      const double base = std::log(choices.base), more = std::log(choices.more);
      for (std::size_t k = 0; k + 1 < kernels_; ++k) terms_[k] += choices.observed[k] == choice ? more : base;
      terms_.back() += std::log(choices.prior);
      continue;
    }
    const double* const centre = numbers_[d].centre.data();
    const double* const narrow = numbers_[d].narrow.data();
    double* const terms = terms_.data();
    const double x = point[d];
    if (!dimension.scale.whole()) {
      for (std::size_t k = 0; k < kernels_; ++k) {
        const double z = (x - centre[k]) * narrow[k];
        terms[k] -= z * z / 2;
      }
      continue;
    }
    // The mass of what rounds to the integer; where the kernel is much wider than that, its density.
    const Scale& scale = dimension.scale;
    const double number = scale.from(x), left = scale.to(number - 0.5), right = scale.to(number + 0.5);
    constexpr double kNarrow = 0.1;
    for (std::size_t k = 0; k < kernels_; ++k) {
      const double a = (left - centre[k]) * narrow[k], b = (right - centre[k]) * narrow[k];
      if (b - a < kNarrow) {
        const double z = (a + b) / 2;
        terms[k] += std::log(right - left) - z * z / 2;
      } else {
        terms[k] += log_of(mass(a, b)) + kLogRoot - std::log(narrow[k]);
      }
    }
  }
  const double most = *std::max_element(terms_.begin(), terms_.end());
  double sum = 0;
  for (const double term : terms_) sum += std::exp(term - most);
  return most + std::log(sum);
}

}  // namespace manta::tune::detail
