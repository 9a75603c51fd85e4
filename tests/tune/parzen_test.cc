// The estimator of TPE: it is a density, its samples have it, and neither the known kernels nor the padding show.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "tune/searchers/draws.h"
#include "tune/searchers/mixture.h"
#include "tune/searchers/parzen.h"

namespace manta::tune::detail {
namespace {

using Values = std::vector<std::vector<double>>;

Parzen parzen_of(const Dimension& dimension, std::vector<double> values) {
  return Parzen({&dimension, 1}, {Values{std::move(values)}, {}, {}});
}
double density(Parzen& parzen, double x) { return std::exp(parzen.log_densities(std::vector{x})[0]); }

double integral_of(Parzen&& parzen, double low, double high) {
  constexpr int kSteps = 20'000;
  std::vector<double> points;
  for (int i = 0; i < kSteps; ++i) points.push_back(low + (high - low) * (i + 0.5) / kSteps);
  double sum = 0;
  for (const double each : parzen.log_densities(points)) sum += std::exp(each);
  return sum * (high - low) / kSteps;
}

Dimension choice_of_three() {
  const auto three = std::make_shared<const std::vector<Value>>(std::vector<Value>{1.0, 2.0, 3.0});
  return Dimension(Distribution{.kind = Distribution::Kind::categorical, .choices = three});
}

TEST(Parzen, IsADensity) {
  const Dimension real(Distribution{.low = -2, .high = 7});
  for (const std::vector<double>& seen : Values{{}, {3}, {-2, -2, 7}, {1, 1.001, 5, 6, -1}}) {
    EXPECT_NEAR(integral_of(parzen_of(real, seen), -2, 7), 1, 1e-3) << seen.size();
  }
  const Dimension log_real(Distribution{.log = true, .low = 1e-4, .high = 10});
  EXPECT_NEAR(integral_of(parzen_of(log_real, {std::log(0.1), std::log(0.2)}), std::log(1e-4), std::log(10)), 1, 1e-3);

  const Dimension whole(Distribution{.kind = Distribution::Kind::integer, .low = 1, .high = 300});
  Parzen wholes = parzen_of(whole, {4, 5, 200, 4, 4, 5});
  double sum = 0;
  for (int n = 1; n <= 300; ++n) sum += density(wholes, n);
  EXPECT_NEAR(sum, 1, 0.01);

  const Dimension choice = choice_of_three();
  Parzen choices = parzen_of(choice, {0, 0, 2});
  std::vector<double> shares;
  for (int n = 0; n < 3; ++n) shares.push_back(density(choices, n));
  EXPECT_NEAR(shares[0] + shares[1] + shares[2], 1, 1e-9);
  EXPECT_GT(shares[0], shares[2]);
  EXPECT_GT(shares[2], shares[1]);
}

TEST(Parzen, SamplesAsItsDensity) {
  const Dimension real(Distribution{.low = 0, .high = 10});
  Parzen parzen = parzen_of(real, {1.0, 1.5, 8.0});
  Draws draws(1, 1, "samples");
  constexpr int kDraws = 50'000, kCells = 20;
  std::vector<int> counts(kCells);
  std::vector<double> point(1);
  for (int i = 0; i < kDraws; ++i) {
    parzen.sample(draws, point);
    ++counts[std::min(static_cast<std::size_t>(point[0] * 2), counts.size() - 1)];
  }
  for (int cell = 0; cell < kCells; ++cell) {
    double share = 0;
    for (int i = 0; i < 100; ++i) share += density(parzen, (cell + (i + 0.5) / 100) / 2) / 200;
    EXPECT_NEAR(counts[static_cast<std::size_t>(cell)], share * kDraws, 5 * std::sqrt(share * kDraws) + 5) << cell;
  }
}

// Over reals, integers, a choice and a range of one value, as trials come and go.
TEST(Parzen, WhatIsKnownOfKernelsChangesNothing) {
  const std::vector<Dimension> dimensions{
      Dimension(Distribution{.low = -1, .high = 1}), Dimension(Distribution{.low = 3, .high = 3}),
      Dimension(Distribution{.kind = Distribution::Kind::integer, .log = true, .low = 1, .high = 40}),
      choice_of_three(), Dimension(Distribution{.log = true, .low = 1e-5, .high = 1})};
  Draws draws(1, 1, "known");
  Parzen::Memory memory;
  memory.known.assign(dimensions.size(), std::vector<Parzen::Known>(300));
  Values all(dimensions.size());
  for (int n = 1; n <= 300; ++n) {
    for (std::size_t d = 0; d < dimensions.size(); ++d) {
      const Dimension& dimension = dimensions[d];
      all[d].push_back(dimension.choices > 0 ? std::floor(3 * draws.share())
                                             : dimension.scale.to(dimension.scale.number_at(draws.share())));
    }
    if (n % 20 != 7) continue;
    Parzen::Observations observed{Values(dimensions.size()), {}, {}};
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(n); ++i) {
      if (draws.share() < 0.2) continue;  // of the good ones, this time
      observed.trials.push_back(i);
      for (std::size_t d = 0; d < dimensions.size(); ++d) observed.values[d].push_back(all[d][i]);
    }
    Parzen plain(dimensions, observed), knowing(dimensions, observed, &memory);
    std::vector<double> points(5 * dimensions.size());
    for (std::size_t p = 0; p < 5; ++p)
      plain.sample(draws, std::span(points).subspan(p * dimensions.size(), dimensions.size()));
    const std::vector<double> densities = plain.log_densities(points);
    EXPECT_EQ(densities, knowing.log_densities(points)) << n;
    for (const double each : densities) EXPECT_TRUE(std::isfinite(each)) << n;
  }
}

// Of twenty reals nearly all kernels are too far away to count: they are left out early, and the density is the same.
TEST(Parzen, WhatIsFarAwayIsLeftOutWithoutATrace) {
  std::vector<Dimension> dimensions(20, Dimension(Distribution{.low = 0, .high = 1}));
  Draws draws(2, 1, "far");
  Parzen::Observations observed{Values(dimensions.size()), {}, {}};
  for (std::vector<double>& values : observed.values) {
    for (int i = 0; i < 203; ++i) values.push_back(draws.share() < 0.5 ? 0.5 + 0.01 * draws.share() : draws.share());
  }
  Parzen parzen(dimensions, observed);
  std::vector<double> points(40 * dimensions.size());
  for (std::size_t p = 0; p < 40; ++p)
    parzen.sample(draws, std::span(points).subspan(p * dimensions.size(), dimensions.size()));
  const std::vector<double> densities = parzen.log_densities(points);
  for (std::size_t p = 0; p < 40; ++p) {
    // By the definition, in long doubles.
    long double sum = 0;
    double together = 1;
    for (std::size_t k = 0; k < 203; ++k)
      together += k >= 178 ? 1 : 1.0 / 203 + (1 - 1.0 / 203) * static_cast<double>(k) / 177;
    for (std::size_t k = 0; k <= 203; ++k) {
      const double weight = k >= 178 ? 1 : 1.0 / 203 + (1 - 1.0 / 203) * static_cast<double>(k) / 177;
      long double term = std::log(weight / together);
      for (std::size_t d = 0; d < dimensions.size(); ++d) {
        const std::vector<double>& values = observed.values[d];
        double centre = 0.5, width = 1;
        if (k < 203) {
          centre = values[k];
          double before = -1, after = 2;
          for (const double other : values) {
            if (other < centre) before = std::max(before, other);
            if (other > centre) after = std::min(after, other);
          }
          const double farther = std::max(before < 0 ? 0 : centre - before, after > 1 ? 0 : after - centre);
          width = std::clamp(farther, 0.01, 1.0);
        }
        const double z = (points[p * dimensions.size() + d] - centre) / width, root = std::sqrt(2.0);
        const double inside = (std::erf((1 - centre) / width / root) - std::erf(-centre / width / root)) / 2;
        term += -z * z / 2 - std::log(width * inside * std::sqrt(2 * std::numbers::pi));
      }
      sum += std::exp(term);
    }
    EXPECT_NEAR(densities[p], static_cast<double>(std::log(sum)), 1e-9) << p;
  }
}

TEST(Mixture, SumsExponentials) {
  Draws draws(1, 1, "mixture");
  for (const double spread : {1.0, 30.0, 900.0}) {
    std::vector<double> terms(16 * 7);
    for (double& each : terms) each = spread * (draws.share() - 0.9);
    terms[3] = -INFINITY;  // padding
    double sum = 0;
    for (const double each : terms) sum += std::exp(each);
    EXPECT_NEAR(log_sum_exp(terms), std::log(sum), 1e-14 * std::max(1.0, std::abs(std::log(sum)))) << spread;
  }
  EXPECT_DOUBLE_EQ(log_sum_exp(std::vector<double>(16, -5000.0)), -5000 + std::log(16));
}

}  // namespace
}  // namespace manta::tune::detail
