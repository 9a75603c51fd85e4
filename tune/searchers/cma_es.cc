#include "tune/searchers/cma_es.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>

namespace manta::tune::detail {

namespace {

constexpr int kTriesInside = 100;        // draws until one is in the cube
constexpr double kSmallestStep = 1e-12;  // of sigma times the largest scale, in the unit cube
constexpr double kSmallestGain = 1e-12;
constexpr double kLargestCondition = 1e14;

}  // namespace

CmaEs::CmaEs(const Vector& mean, double sigma, std::size_t population, const Vector& least)
    : population_(population),
      mean_(mean),
      sigma_(sigma),
      least_(least),
      covariance_(Matrix::Identity(mean.size(), mean.size())),
      axes_(Matrix::Identity(mean.size(), mean.size())),
      scales_(Vector::Ones(mean.size())),
      path_sigma_(Vector::Zero(mean.size())),
      path_c_(Vector::Zero(mean.size())) {
  set_weights();
}

void CmaEs::set_weights() {
  const auto n = static_cast<double>(mean_.size());
  const auto lambda = static_cast<double>(population_);
  const auto mu = static_cast<Eigen::Index>(population_ / 2);
  weights_.resize(static_cast<Eigen::Index>(population_));
  for (Eigen::Index i = 0; i < weights_.size(); ++i) {
    weights_[i] = std::log((lambda + 1) / 2) - std::log(static_cast<double>(i) + 1);
  }
  const auto effective = [](const auto& weights) { return std::pow(weights.sum(), 2) / weights.squaredNorm(); };
  mu_eff_ = effective(weights_.head(mu));
  const double mu_eff_minus = effective(weights_.tail(weights_.size() - mu));

  c_sigma_ = (mu_eff_ + 2) / (n + mu_eff_ + 5);
  d_sigma_ = 1 + 2 * std::max(0.0, std::sqrt((mu_eff_ - 1) / (n + 1)) - 1) + c_sigma_;
  c_c_ = (4 + mu_eff_ / n) / (n + 4 + 2 * mu_eff_ / n);
  constexpr double kAlpha = 2;
  c_1_ = kAlpha / (std::pow(n + 1.3, 2) + mu_eff_);
  c_mu_ = std::min(1 - c_1_, kAlpha * (mu_eff_ - 2 + 1 / mu_eff_) / (std::pow(n + 2, 2) + kAlpha * mu_eff_ / 2));
  expected_norm_ = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));

  const double most_negative =
      std::min({1 + c_1_ / c_mu_, 1 + 2 * mu_eff_minus / (mu_eff_ + 2), (1 - c_1_ - c_mu_) / (n * c_mu_)});
  double positive = 0, negative = 0;
  for (const double weight : weights_) (weight >= 0 ? positive : negative) += std::abs(weight);
  for (double& weight : weights_) weight *= weight >= 0 ? 1 / positive : most_negative / negative;
}

CmaEs::Vector CmaEs::sample(Draws& draws) const {
  Vector x;
  for (int i = 0; i < kTriesInside; ++i) {
    Vector z(mean_.size());
    for (double& each : z) each = draws.normal();
    x = mean_ + sigma_ * (axes_ * scales_.cwiseProduct(z));
    if (x.minCoeff() >= 0 && x.maxCoeff() <= 1) return x;
  }
  return x.cwiseMax(0).cwiseMin(1);
}

void CmaEs::tell(std::vector<Point> generation) {
  std::stable_sort(generation.begin(), generation.end(),
                   [](const Point& a, const Point& b) { return a.value < b.value; });
  ++generations_;
  const auto n = static_cast<double>(mean_.size());
  std::vector<Vector> steps;
  for (const Point& point : generation) steps.push_back((point.x - mean_) / sigma_);
  Vector step = Vector::Zero(mean_.size());
  for (std::size_t i = 0; i < population_ / 2; ++i) step += weights_[static_cast<Eigen::Index>(i)] * steps[i];
  mean_ += sigma_ * step;

  const auto whitened = [&](const Vector& y) -> Vector {
    return axes_ * (axes_.transpose() * y).cwiseQuotient(scales_);
  };
  path_sigma_ = (1 - c_sigma_) * path_sigma_ + std::sqrt(c_sigma_ * (2 - c_sigma_) * mu_eff_) * whitened(step);
  const double norm = path_sigma_.norm();
  const double settled = 1 - std::pow(1 - c_sigma_, 2 * static_cast<double>(generations_ + 1));
  const bool stalls = norm / std::sqrt(settled) >= (1.4 + 2 / (n + 1)) * expected_norm_;
  path_c_ = (1 - c_c_) * path_c_ + (stalls ? 0 : std::sqrt(c_c_ * (2 - c_c_) * mu_eff_)) * step;
  const double lost = stalls ? c_c_ * (2 - c_c_) : 0;
  Matrix rank_mu = Matrix::Zero(mean_.size(), mean_.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    double weight = weights_[static_cast<Eigen::Index>(i)];
    if (weight < 0) weight *= n / std::max(whitened(steps[i]).squaredNorm(), 1e-8);
    rank_mu.noalias() += weight * (steps[i] * steps[i].transpose());
  }
  covariance_ = (1 + c_1_ * lost - c_1_ - c_mu_ * weights_.sum()) * covariance_ +
                c_1_ * (path_c_ * path_c_.transpose()) + c_mu_ * rank_mu;
  sigma_ *= std::exp(std::min(1.0, c_sigma_ / d_sigma_ * (norm / expected_norm_ - 1)));
  for (Eigen::Index i = 0; i < mean_.size(); ++i) {
    const double deviation = sigma_ * std::sqrt(covariance_(i, i));
    if (deviation >= least_[i] || !(deviation > 0)) continue;
    const double factor = least_[i] / deviation;
    covariance_.row(i) *= factor;
    covariance_.col(i) *= factor;
  }
  decompose();

  bests_.push_back(generation.front().value);
  const std::size_t kept = 10 + static_cast<std::size_t>(std::ceil(30 * n / static_cast<double>(population_)));
  if (bests_.size() > kept) bests_.pop_front();
  const auto [least, most] = std::minmax_element(bests_.begin(), bests_.end());
  const bool flat = bests_.size() == kept && *most - *least < kSmallestGain &&
                    generation.back().value - generation.front().value < kSmallestGain;
  converged_ = converged_ || flat || sigma_ * scales_.maxCoeff() < kSmallestStep ||
               std::pow(scales_.maxCoeff() / scales_.minCoeff(), 2) > kLargestCondition;
}

void CmaEs::decompose() {
  covariance_ = (covariance_ + covariance_.transpose()).eval() / 2;
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(covariance_);
  constexpr double kSmallest = 1e-20;
  axes_ = solver.eigenvectors();
  scales_ = solver.eigenvalues().cwiseMax(kSmallest).cwiseSqrt();
}

}  // namespace manta::tune::detail
