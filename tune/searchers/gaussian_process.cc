#include "tune/searchers/gaussian_process.h"

#include <cmath>
#include <limits>
#include <utility>

#include <Eigen/Cholesky>

#include "tune/searchers/descent.h"

namespace manta::tune::detail {

namespace {

using Matrix = GaussianProcess::Matrix;
using Vector = GaussianProcess::Vector;

constexpr double kLeastNoise = 1e-6;  // of the values' variance
constexpr int kSteps = 60;

double matern(double squared) {
  const double q = std::sqrt(5 * squared);
  return (1 + q + q * q / 3) * std::exp(-q);
}
// By the squared distance.
double matern_slope(double squared) {
  const double q = std::sqrt(5 * squared);
  return -5.0 / 6 * (1 + q) * std::exp(-q);
}

}  // namespace

Vector GaussianProcess::default_logs(Eigen::Index coordinates) {
  Vector logs = Vector::Zero(coordinates + 2);
  logs[coordinates + 1] = std::log(1e-3);
  return logs;
}

GaussianProcess::GaussianProcess(Matrix points, Vector values, std::vector<bool> choices)
    : points_(std::move(points)), values_(std::move(values)), choices_(std::move(choices)) {
  const Eigen::Index n = points_.rows();
  for (Eigen::Index d = 0; d < points_.cols(); ++d) {
    Matrix squared = points_.col(d).replicate(1, n) - points_.col(d).transpose().replicate(n, 1);
    const bool choice = choices_[static_cast<std::size_t>(d)];
    distances_.push_back(squared.unaryExpr([choice](double by) { return choice ? (by != 0 ? 1.0 : 0.0) : by * by; }));
  }
}

Matrix GaussianProcess::kernel(const Vector& logs) const {
  Matrix squared = Matrix::Zero(points_.rows(), points_.rows());
  for (std::size_t d = 0; d < distances_.size(); ++d)
    squared += std::exp(logs[static_cast<Eigen::Index>(d)]) * distances_[d];
  return squared;
}

// The negative logarithm of the posterior density of the logarithms.
double GaussianProcess::loss(const Vector& logs, Vector& gradient) const {
  const Eigen::Index n = points_.rows(), coordinates = points_.cols();
  const double scale = std::exp(logs[coordinates]), noise = std::exp(logs[coordinates + 1]);
  const Matrix squared = kernel(logs);
  const Matrix shape = squared.unaryExpr(&matern);
  Matrix covariance = scale * shape;
  covariance.diagonal().array() += noise;
  const Eigen::LLT<Matrix> root(covariance);
  gradient = Vector::Zero(logs.size());
  if (root.info() != Eigen::Success) return std::numeric_limits<double>::infinity();
  const Vector weights = root.solve(values_);
  Matrix inner = root.solve(Matrix::Identity(n, n));  // kernel^-1 - weights weights^T
  double value = values_.dot(weights) / 2;
  for (Eigen::Index i = 0; i < n; ++i) value += std::log(root.matrixLLT()(i, i));
  inner -= weights * weights.transpose();
  const Matrix slopes = scale * inner.cwiseProduct(squared.unaryExpr(&matern_slope));
  for (Eigen::Index d = 0; d < coordinates; ++d) {
    const double narrow = std::exp(logs[d]);
    gradient[d] = slopes.cwiseProduct(distances_[static_cast<std::size_t>(d)]).sum() * narrow / 2;
    value += 0.1 / narrow + 0.1 * narrow;
    gradient[d] += -0.1 / narrow + 0.1 * narrow;
  }
  gradient[coordinates] = scale * inner.cwiseProduct(shape).sum() / 2;
  gradient[coordinates + 1] = noise * inner.trace() / 2;
  // Gamma priors: (2, 1) of the scale, (1.1, 30) of the noise.
  value += scale - logs[coordinates] + 30 * noise - 0.1 * logs[coordinates + 1];
  gradient[coordinates] += scale - 1;
  gradient[coordinates + 1] += 30 * noise - 0.1;
  return value;
}

void GaussianProcess::fit(const Vector& from) {
  const Vector low = [&] {
    Vector bound = Vector::Constant(from.size(), std::log(1e-4));
    bound[from.size() - 1] = std::log(kLeastNoise);
    return bound;
  }();
  const Vector high = Vector::Constant(from.size(), std::log(1e4));
  const auto function = [this](const Vector& logs, Vector& gradient) { return loss(logs, gradient); };
  use(descend(function, from.cwiseMax(low).cwiseMin(high), low, high, kSteps).x);
}

void GaussianProcess::use(const Vector& logs) {
  logs_ = logs;
  Matrix covariance = std::exp(logs_[points_.cols()]) * kernel(logs_).unaryExpr(&matern);
  covariance.diagonal().array() += std::exp(logs_[points_.cols() + 1]);
  const Eigen::LLT<Matrix> root(covariance);
  root_ = root.matrixL();
  weights_ = root.solve(values_);
}

Vector GaussianProcess::kernel_to(const Vector& x) const {
  Vector squared = Vector::Zero(points_.rows());
  for (Eigen::Index d = 0; d < points_.cols(); ++d) {
    const double narrow = std::exp(logs_[d]);
    const bool choice = choices_[static_cast<std::size_t>(d)];
    for (Eigen::Index i = 0; i < points_.rows(); ++i) {
      const double by = points_(i, d) - x[d];
      squared[i] += narrow * (choice ? (by != 0 ? 1 : 0) : by * by);
    }
  }
  return squared;
}

GaussianProcess::Prediction GaussianProcess::predict(const Vector& x) const {
  const double scale = std::exp(logs_[points_.cols()]);
  const Vector to = scale * kernel_to(x).unaryExpr(&matern);
  const Vector half = root_.triangularView<Eigen::Lower>().solve(to);
  return {to.dot(weights_), std::max(scale - half.squaredNorm(), 1e-12)};
}

GaussianProcess::Prediction GaussianProcess::predict(const Vector& x, Vector& mean_gradient,
                                                     Vector& variance_gradient) const {
  const double scale = std::exp(logs_[points_.cols()]);
  const Vector squared = kernel_to(x);
  const Vector to = scale * squared.unaryExpr(&matern);
  const Vector half = root_.triangularView<Eigen::Lower>().solve(to);
  const Vector whole = root_.transpose().triangularView<Eigen::Upper>().solve(half);
  const Vector slope = scale * squared.unaryExpr(&matern_slope);
  mean_gradient = Vector::Zero(x.size());
  variance_gradient = Vector::Zero(x.size());
  for (Eigen::Index d = 0; d < x.size(); ++d) {
    if (choices_[static_cast<std::size_t>(d)]) continue;
    const Vector by = 2 * std::exp(logs_[d]) * slope.cwiseProduct((x[d] - points_.col(d).array()).matrix());
    mean_gradient[d] = by.dot(weights_);
    variance_gradient[d] = -2 * by.dot(whole);
  }
  return {to.dot(weights_), std::max(scale - half.squaredNorm(), 1e-12)};
}

}  // namespace manta::tune::detail
