#include "tune/schedulers/signed_rank.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <vector>

namespace manta::tune::detail {

namespace {

constexpr std::size_t kMostExact = 50, kMostExactWithTies = 13;

// Of the sums of some of the doubled ranks, the share that is at least `sum`.
double exact_p(const std::vector<std::size_t>& doubled_ranks, std::size_t sum) {
  const std::size_t most = std::accumulate(doubled_ranks.begin(), doubled_ranks.end(), std::size_t{0});
  std::vector<double> shares(most + 1);
  shares[0] = 1;
  for (const std::size_t rank : doubled_ranks) {
    for (std::size_t at = most + 1; at-- > 0;) shares[at] = (shares[at] + (at >= rank ? shares[at - rank] : 0)) / 2;
  }
  double p = 0;
  for (std::size_t at = most + 1; at-- > sum;) p += shares[at];
  return p;
}

}  // namespace

double signed_rank_p(std::span<const double> differences) {
  const std::size_t n = differences.size();
  std::vector<double> sorted(differences.begin(), differences.end());
  std::sort(sorted.begin(), sorted.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  std::vector<std::size_t> ranks;  // doubled, of those that are not 0
  std::size_t positive = 0;        // their sum
  double zeros = 0, ties = 0;
  bool tied = false;
  for (std::size_t first = 0; first < n;) {
    std::size_t end = first;
    while (end < n && std::abs(sorted[end]) == std::abs(sorted[first])) ++end;
    const auto size = static_cast<double>(end - first);
    const std::size_t doubled = first + end + 1;
    tied = tied || size > 1 || sorted[first] == 0;
    ties += size * size * size - size;
    for (; first < end; ++first) {
      if (sorted[first] == 0) {
        zeros += static_cast<double>(doubled);
        continue;
      }
      ranks.push_back(doubled);
      if (sorted[first] > 0) positive += doubled;
    }
  }
  if (n <= (tied ? kMostExactWithTies : kMostExact)) return exact_p(ranks, positive);
  const auto size = static_cast<double>(n);
  const double sum = (static_cast<double>(positive) + zeros / 2) / 2;
  const double deviation = std::sqrt((size * (size + 1) * (2 * size + 1) - ties / 2) / 24);
  return std::erfc((sum - size * (size + 1) / 4) / deviation / std::numbers::sqrt2) / 2;
}

}  // namespace manta::tune::detail
