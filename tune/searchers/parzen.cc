#include "tune/searchers/parzen.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "tune/searchers/mixture.h"

namespace manta::tune::detail {

namespace {

constexpr std::size_t kFlat = 25;  // so many of the newest observations have full weight, the older ones less and less

double weight_of(std::size_t i, std::size_t n) {
  if (n < kFlat || i >= n - kFlat) return 1;
  const double first = 1.0 / static_cast<double>(n);
  const std::size_t ramp = n - kFlat;
  return ramp == 1 ? first : first + (1 - first) * static_cast<double>(i) / static_cast<double>(ramp - 1);
}

constexpr double kAll = 8.3;  // beyond it is less of the standard normal distribution than a double's precision

// Of the standard normal distribution between a and b.
double mass(double a, double b) {
  constexpr double kRoot = std::numbers::sqrt2 / 2;
  if (a < -kAll && b > kAll) return 1;
  if (a < -kAll && b > 0) return 1 - std::erfc(b * kRoot) / 2;
  if (a < 0 && b > kAll) return 1 - std::erfc(-a * kRoot) / 2;
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

// Of what rounds to an integer: from `left` to `right`.
struct Rounding {
  Rounding(const Scale& scale, double at)
      : left(scale.to(scale.from(at) - 0.5)),
        right(scale.to(scale.from(at) + 0.5)),
        log_width(std::log(right - left)) {}
  // The logarithm of its mass; where the kernel is much wider than that, by its density.
  double term(double centre, double narrow) const {
    constexpr double kNarrow = 0.1;
    const double a = (left - centre) * narrow, b = (right - centre) * narrow, z = (a + b) / 2;
    return b - a < kNarrow ? log_width - z * z / 2 : log_of(mass(a, b)) + kLogRoot - std::log(narrow);
  }
  double left, right, log_width;
};

}  // namespace

Parzen::Parzen(std::span<const Dimension> dimensions, const Observations& observed, Memory* memory)
    : dimensions_(dimensions),
      memory_(memory),
      kernels_(observed.values.empty() ? 1 : observed.values[0].size() + 1),
      padded_(padded(kernels_)),
      row_(dimensions.size()),
      heights_(kernels_, 1.0),
      choices_(dimensions.size()),
      like_(dimensions.size()) {
  set_weights();
  std::size_t rows = 0;
  for (const bool whole : {false, true}) {
    for (std::size_t d = 0; d < dimensions.size(); ++d) {
      if (dimensions[d].choices == 0 && dimensions[d].scale.whole() == whole) row_[d] = rows++;
    }
    if (!whole) reals_ = rows;
  }
  exchange_space();
  centre_.resize(rows * padded_);
  narrow_.resize(rows * padded_);
  constexpr std::size_t kPerLog = 64;  // of a height, between 1 and 300, the product of so many is a double
  std::size_t since = 0;
  for (std::size_t d = 0; d < dimensions.size(); ++d) {
    if (dimensions[d].choices > 0) {
      add_choices(d, observed.values[d]);
      continue;
    }
    add_numbers(d, observed);
    if (++since % kPerLog == 0) add_logs_of_heights();
  }
  add_logs_of_heights();
  for (std::size_t k = 0; k < kernels_; ++k) constant_[k] += of_ranges_;
}

Parzen::~Parzen() { exchange_space(); }

void Parzen::exchange_space() {
  if (memory_ == nullptr) return;
  centre_.swap(memory_->centre);
  narrow_.swap(memory_->narrow);
  terms_.swap(memory_->terms);
}

void Parzen::set_weights() {
  std::vector<double> weights(kernels_, 1.0);
  for (std::size_t i = 0; i + 1 < kernels_; ++i) weights[i] = weight_of(i, kernels_ - 1);
  const double together = std::accumulate(weights.begin(), weights.end(), 0.0);
  cumulative_.resize(kernels_);
  std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
  for (double& each : cumulative_) each /= together;
  constant_.assign(padded_, -INFINITY);
  for (std::size_t k = 0; k < kernels_; ++k) constant_[k] = 0;
  for (std::size_t k = 0; k < kernels_; ++k) heights_[k] = weights[k] / together;
}

void Parzen::add_logs_of_heights() {
  for (std::size_t k = 0; k < kernels_; ++k) constant_[k] += std::log(std::exchange(heights_[k], 1.0));
}

void Parzen::add_choices(std::size_t d, std::span<const double> observations) {
  Choices& choices = choices_[d];
  const double extra = 1.0 / static_cast<double>(kernels_);
  const auto size = static_cast<double>(dimensions_[d].choices);
  choices.base = extra / (1 + extra * size);
  choices.more = (1 + extra) / (1 + extra * size);
  choices.prior = 1 / size;
  choices.observed.resize(kernels_);
  for (std::size_t k = 0; k + 1 < kernels_; ++k) choices.observed[k] = static_cast<std::size_t>(observations[k]);
}

void Parzen::add_numbers(std::size_t d, const Observations& observed) {
  const Scale& scale = dimensions_[d].scale;
  double* const centre = centre_.data() + row_[d] * padded_;
  double* const narrow = narrow_.data() + row_[d] * padded_;
  std::fill_n(centre, padded_, 0.0);
  std::fill_n(narrow, padded_, 0.0);
  if (scale.width() <= 0) return;  // one value, which says nothing: its kernels are 0 everywhere
  const std::vector<double>& values = observed.values[d];
  Order sorted;
  if (observed.orders.empty()) sorted = order_of(values);
  const Order& order = observed.orders.empty() ? sorted : observed.orders[d];
  const std::size_t n = values.size();
  const double width = scale.width(), begin = scale.begin(), end = scale.end();
  const double least = width / std::min(100.0, 1.0 + static_cast<double>(kernels_));
  const double of_narrow = scale.whole() ? 1 : std::numbers::sqrt2 / 2;
  const auto set = [&](std::size_t k, double at, double by, Known& before) {
    centre[k] = at;
    narrow[k] = by * of_narrow;
    if (std::min(at - begin, end - at) * by > kAll) {  // all of it is in the range
      heights_[k] *= by * width;
      return;
    }
    if (before.narrow != by) before = {by, by * width / std::max(mass((begin - at) * by, (end - at) * by), 1e-300)};
    heights_[k] *= before.height;
  };
  const double by_least = 1 / least;
  double left = n > 1 ? values[order[0]] : begin;  // the ends of the range count only for a single observation
  for (std::size_t i = 0; i < n; ++i) {
    const double at = values[order[i]];
    const double right = i + 1 < n ? values[order[i + 1]] : n > 1 ? at : end;
    const double farther = std::max(at - left, right - at);
    const double by = farther <= least ? by_least : 1 / std::min(farther, width);
    Known none;
    set(order[i], at, by, memory_ == nullptr ? none : memory_->known[d][observed.trials[order[i]]]);
    left = at;
  }
  Known none;
  set(n, (begin + end) / 2, 1 / width, none);
  of_ranges_ -= std::log(width) + kLogRoot;
  if (!scale.whole()) return;
  // Those of equal integers have one of few widths.
  std::vector<std::uint32_t>& like = like_[d];
  like.resize(kernels_);
  std::vector<std::uint32_t> different;
  for (std::size_t i = 0; i <= n; ++i) {
    const auto k = static_cast<std::uint32_t>(i < n ? order[i] : n);
    if (!different.empty() && centre[different.back()] != centre[k]) different.clear();
    const auto same = std::find_if(different.begin(), different.end(),
                                   [&](std::uint32_t other) { return narrow[other] == narrow[k]; });
    like[k] = same == different.end() ? k : *same;
    if (same == different.end()) different.push_back(k);
  }
}

void Parzen::sample(Draws& draws, std::span<double> point) const {
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
    if (scale.width() <= 0) {
      point[d] = scale.begin();
      continue;
    }
    const std::size_t place = row_[d] * padded_ + kernel;
    const double centre = centre_[place], width = (scale.whole() ? 1 : std::numbers::sqrt2 / 2) / narrow_[place];
    double value = centre;
    do {  // the centre is in the range and the kernel no wider than that: one of three is
      value = centre + width * draws.normal();
    } while (value < scale.begin() || value > scale.end());
    point[d] = scale.to(scale.from(value));
  }
}

void Parzen::add_terms_of_choices(std::size_t d, std::span<const double> points, std::span<double> terms) const {
  const Choices& choices = choices_[d];
  const double base = std::log(choices.base), more = std::log(choices.more), prior = std::log(choices.prior);
  for (std::size_t p = 0; p * dimensions_.size() < points.size(); ++p) {
    const auto choice = static_cast<std::size_t>(points[p * dimensions_.size() + d]);
    double* const own = terms.data() + p * padded_;
    for (std::size_t k = 0; k + 1 < kernels_; ++k) own[k] += choices.observed[k] == choice ? more : base;
    own[kernels_ - 1] += prior;
  }
}

void Parzen::add_terms_of_integers(std::size_t d, std::span<const double> points, std::span<double> terms) const {
  const Scale& scale = dimensions_[d].scale;
  const double* const centre = centre_.data() + row_[d] * padded_;
  const double* const narrow = narrow_.data() + row_[d] * padded_;
  const auto at = [&](std::size_t p) { return points[p * dimensions_.size() + d]; };
  const std::size_t count = points.size() / dimensions_.size();
  std::vector<double> column(kernels_);
  std::vector<bool> done(count);
  for (std::size_t p = 0; p < count; ++p) {
    if (done[p]) continue;
    const Rounding integer(scale, at(p));
    for (std::size_t k = 0; k < kernels_; ++k) {
      if (like_[d][k] == k) column[k] = integer.term(centre[k], narrow[k]);
    }
    for (std::size_t other = p; other < count; ++other) {
      if (at(other) != at(p)) continue;
      done[other] = true;
      double* const own = terms.data() + other * padded_;
      for (std::size_t k = 0; k < kernels_; ++k) own[k] += column[like_[d][k]];
    }
  }
}

// The prior's kernel is never nothing: what is far below its term adds nothing to the sum. Choices and integers come
// later: a choice makes a term smaller, an integer at most as much larger as its widest kernel says.
double Parzen::floor_of(std::span<const double> point) const {
  const std::size_t prior = kernels_ - 1;
  double term = constant_[prior], more = 0;
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (dimensions_[d].choices > 0) {
      term += std::log(choices_[d].prior);
      continue;
    }
    const Scale& scale = dimensions_[d].scale;
    const double centre = centre_[row_[d] * padded_ + prior], narrow = narrow_[row_[d] * padded_ + prior];
    if (scale.whole()) {
      term += Rounding(scale, point[d]).term(centre, narrow);
      more += std::max(0.0, kLogRoot + std::log(scale.width()));
    } else {
      term -= std::pow((point[d] - centre) * narrow, 2);
    }
  }
  return term - more - kNothing;
}

std::vector<double> Parzen::log_densities(std::span<const double> points) {
  constexpr std::size_t kTogether = 8;  // points whose terms fit into the cache
  const std::size_t count = points.size() / dimensions_.size();
  std::vector<double> densities;
  densities.reserve(count);
  for (std::size_t first = 0; first < count; first += kTogether) {
    const std::size_t size = std::min(kTogether, count - first) * dimensions_.size();
    add_densities(points.subspan(first * dimensions_.size(), size), densities);
  }
  return densities;
}

void Parzen::add_densities(std::span<const double> points, std::vector<double>& densities) {
  const std::size_t count = points.size() / dimensions_.size();
  if (terms_.size() < count * padded_) terms_.resize(count * padded_);
  const std::span<double> terms = std::span(terms_).first(count * padded_);
  std::vector<double> reals(count * reals_);
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (dimensions_[d].choices > 0 || dimensions_[d].scale.whole()) continue;
    for (std::size_t p = 0; p < count; ++p) reals[p * reals_ + row_[d]] = points[p * dimensions_.size() + d];
  }
  std::vector<double> floors(count);
  for (std::size_t p = 0; p < count; ++p)
    floors[p] = floor_of(points.subspan(p * dimensions_.size(), dimensions_.size()));
  subtract_squares({padded_, reals_, centre_.data(), narrow_.data()}, constant_, reals, floors, terms);
  for (std::size_t d = 0; d < dimensions_.size(); ++d) {
    if (dimensions_[d].choices > 0) {
      add_terms_of_choices(d, points, terms);
    } else if (dimensions_[d].scale.whole()) {
      add_terms_of_integers(d, points, terms);
    }
  }
  for (std::size_t p = 0; p < count; ++p) densities.push_back(log_sum_exp(terms.subspan(p * padded_, padded_)));
}

}  // namespace manta::tune::detail
