#include "tune/searchers/descent.h"

#include <cmath>
#include <deque>
#include <utility>
#include <vector>

namespace manta::tune::detail {

using Eigen::VectorXd;

Minimum descend(const Smooth& function, VectorXd start, const VectorXd& low, const VectorXd& high, int steps) {
  constexpr std::size_t kMemory = 8;
  constexpr int kHalvings = 20;
  constexpr double kEnough = 1e-4, kFlat = 1e-8;
  VectorXd x = std::move(start), gradient(x.size());
  double value = function(x, gradient);
  std::deque<std::pair<VectorXd, VectorXd>> pairs;  // steps, and the gradient's changes
  for (int step = 0; step < steps && std::isfinite(value); ++step) {
    VectorXd free = gradient;
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      if ((x[i] <= low[i] && free[i] > 0) || (x[i] >= high[i] && free[i] < 0)) free[i] = 0;
    }
    if (free.cwiseAbs().maxCoeff() < kFlat) break;
    VectorXd direction = free;
    std::vector<double> shares;
    for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
      shares.push_back(pair->first.dot(direction) / pair->first.dot(pair->second));
      direction -= shares.back() * pair->second;
    }
    if (!pairs.empty()) {
      const auto& [s, y] = pairs.back();
      direction *= s.dot(y) / y.squaredNorm();
    } else {
      direction *= 0.1 / std::max(direction.norm(), 1e-12);
    }
    for (const auto& [s, y] : pairs) {
      direction += (shares.back() - y.dot(direction) / s.dot(y)) * s;
      shares.pop_back();
    }
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      if (free[i] == 0 && gradient[i] != 0) direction[i] = 0;
    }
    if (direction.dot(free) <= 0) direction = free;
    double length = 1;
    bool moved = false;
    VectorXd next(x.size()), next_gradient(x.size());
    for (int i = 0; i < kHalvings && !moved; ++i, length /= 2) {
      next = (x - length * direction).cwiseMax(low).cwiseMin(high);
      const double next_value = function(next, next_gradient);
      if (!(next_value <= value + kEnough * free.dot(next - x)) || !(next_value < value)) continue;
      moved = true;
      VectorXd s = next - x, y = next_gradient - gradient;
      if (s.dot(y) > 1e-12 * y.squaredNorm()) pairs.emplace_back(std::move(s), std::move(y));
      if (pairs.size() > kMemory) pairs.pop_front();
      const bool ends = value - next_value < 1e-10 * (1 + std::abs(value));
      x = next;
      gradient = next_gradient;
      value = next_value;
      if (ends) return {x, value};
    }
    if (moved) continue;
    if (pairs.empty()) break;
    pairs.clear();  // once more along the gradient
  }
  return {x, value};
}

}  // namespace manta::tune::detail
