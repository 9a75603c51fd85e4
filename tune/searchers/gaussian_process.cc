#include "tune/searchers/gaussian_process.h"

#include <algorithm>
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
constexpr double kLeastVariance = 1e-12;
constexpr int kSteps = 60;

// The kernel at a squared distance, and its derivative by that.
struct Matern {
  explicit Matern(double squared) {
    const double q = std::sqrt(5 * squared), e = std::exp(-q);
    value = (1 + q + q * q / 3) * e;
    slope = -5.0 / 6 * (1 + q) * e;
  }
  double value, slope;
};
double matern(double squared) { return Matern(squared).value; }

// The lower triangle of (root root^T)^-1, in blocks, so that most of it is products of matrices: first root^-1, row by
// row, then the products of its columns.
Matrix inverse_of(const Matrix& root) {
  constexpr Eigen::Index kBlock = 32;
  const Eigen::Index n = root.rows();
  Matrix inverse = Matrix::Zero(n, n), result(n, n);
  for (Eigen::Index at = 0; at < n; at += kBlock) {
    const Eigen::Index size = std::min(kBlock, n - at);
    const auto diagonal = root.block(at, at, size, size).triangularView<Eigen::Lower>();
    inverse.block(at, at, size, size).setIdentity();
    inverse.block(at, 0, size, at).noalias() = -root.block(at, 0, size, at) * inverse.topLeftCorner(at, at);
    diagonal.solveInPlace(inverse.block(at, 0, size, at + size));
  }
  for (Eigen::Index at = 0; at < n; at += kBlock) {
    const Eigen::Index size = std::min(kBlock, n - at);
    result.block(at, 0, size, at + size).noalias() =
        inverse.block(at, at, n - at, size).transpose() * inverse.block(at, 0, n - at, at + size);
  }
  return result;
}

}  // namespace

Vector GaussianProcess::default_logs(Eigen::Index coordinates) {
  Vector logs = Vector::Zero(coordinates + 2);
  logs[coordinates + 1] = std::log(1e-3);
  return logs;
}

GaussianProcess::GaussianProcess(Matrix points, Vector values, std::vector<bool> choices)
    : points_(std::move(points)), values_(std::move(values)), choices_(std::move(choices)) {}

Matrix GaussianProcess::distances(const Matrix& from, const Matrix& to, const Vector& narrow) const {
  // |a - b|^2 = |a|^2 + |b|^2 - 2 a b
  Vector scale = narrow.cwiseSqrt();
  for (Eigen::Index d = 0; d < scale.size(); ++d) {
    if (choices_[static_cast<std::size_t>(d)]) scale[d] = 0;
  }
  const Matrix a = from * scale.asDiagonal(), b = to * scale.asDiagonal();
  Matrix squared(from.rows(), to.rows());
  squared.noalias() = -2 * a * b.transpose();
  squared.colwise() += a.rowwise().squaredNorm();
  squared.rowwise() += b.rowwise().squaredNorm().transpose();
  squared = squared.cwiseMax(0);
  for (Eigen::Index d = 0; d < scale.size(); ++d) {
    if (!choices_[static_cast<std::size_t>(d)]) continue;
    for (Eigen::Index j = 0; j < to.rows(); ++j)
      squared.col(j).array() += (from.col(d).array() != to(j, d)).cast<double>() * narrow[d];
  }
  return squared;
}

// The negative logarithm of the posterior density of the logarithms.
double GaussianProcess::loss(const Vector& logs, Vector& gradient) const {
  const Eigen::Index n = points_.rows(), coordinates = points_.cols();
  const double scale = std::exp(logs[coordinates]), noise = std::exp(logs[coordinates + 1]);
  const Vector narrow = logs.head(coordinates).array().exp();
  const Matrix squared = distances(points_, points_, narrow);
  Matrix shape(n, n), slope(n, n), covariance(n, n);  // their lower triangles
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j; i < n; ++i) {
      const Matern matern(i == j ? 0 : squared(i, j));
      shape(i, j) = matern.value;
      slope(i, j) = matern.slope;
      covariance(i, j) = scale * matern.value;
    }
    covariance(j, j) += noise;
  }
  gradient = Vector::Zero(logs.size());
  const Eigen::LLT<Eigen::Ref<Matrix>> root(covariance);  // in place
  if (root.info() != Eigen::Success) return std::numeric_limits<double>::infinity();
  const Vector weights = root.solve(values_);
  double value = values_.dot(weights) / 2;
  for (Eigen::Index i = 0; i < n; ++i) value += std::log(covariance(i, i));
  const Matrix inverse = inverse_of(covariance);
  // Of inner = kernel^-1 - weights weights^T: its products with the derivatives of the kernel.
  Matrix slopes(n, n);
  double by_scale = 0, trace = 0;
  for (Eigen::Index j = 0; j < n; ++j) {
    for (Eigen::Index i = j; i < n; ++i) {
      const double inner = inverse(i, j) - weights[i] * weights[j];
      if (i == j) trace += inner;
      by_scale += (i == j ? 1 : 2) * inner * shape(i, j);
      slopes(i, j) = slopes(j, i) = scale * inner * slope(i, j);
    }
  }
  // sum_ij s_ij (x_i - x_j)^2 = 2 (sum_i x_i^2 sum_j s_ij - x s x)
  const Vector sums = slopes.rowwise().sum();
  const Matrix products = slopes * points_;
  for (Eigen::Index d = 0; d < coordinates; ++d) {
    double by_distance = 0;
    if (choices_[static_cast<std::size_t>(d)]) {
      for (Eigen::Index j = 0; j < n; ++j)
        by_distance += ((points_.col(d).array() != points_(j, d)).cast<double>() * slopes.col(j).array()).sum();
    } else {
      by_distance = 2 * (points_.col(d).cwiseAbs2().dot(sums) - points_.col(d).dot(products.col(d)));
    }
    gradient[d] = by_distance * narrow[d] / 2 - 0.1 / narrow[d] + 0.1 * narrow[d];
    value += 0.1 / narrow[d] + 0.1 * narrow[d];
  }
  gradient[coordinates] = scale * by_scale / 2;
  gradient[coordinates + 1] = noise * trace / 2;
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
  const Eigen::Index coordinates = points_.cols();
  narrow_ = logs.head(coordinates).array().exp();
  root_ = distances(points_, points_, narrow_).unaryExpr(&matern) * std::exp(logs_[coordinates]);
  root_.diagonal().array() = std::exp(logs_[coordinates]) + std::exp(logs_[coordinates + 1]);
  const Eigen::LLT<Eigen::Ref<Matrix>> root(root_);  // in place
  weights_ = root.solve(values_);
}

Vector GaussianProcess::distances_to(const Vector& x) const {
  Vector squared = Vector::Zero(points_.rows());
  for (Eigen::Index d = 0; d < points_.cols(); ++d) {
    const auto column = points_.col(d).array();
    if (choices_[static_cast<std::size_t>(d)]) {
      squared.array() += (column != x[d]).cast<double>() * narrow_[d];
    } else {
      squared.array() += (column - x[d]).square() * narrow_[d];
    }
  }
  return squared;
}

GaussianProcess::Prediction GaussianProcess::predict(const Vector& x) const {
  const double scale = std::exp(logs_[points_.cols()]);
  const Vector to = scale * distances_to(x).unaryExpr(&matern);
  const Vector half = root_.triangularView<Eigen::Lower>().solve(to);
  return {to.dot(weights_), std::max(scale - half.squaredNorm(), kLeastVariance)};
}

std::vector<GaussianProcess::Prediction> GaussianProcess::predict_all(const Matrix& points) const {
  const double scale = std::exp(logs_[points_.cols()]);
  Matrix to = distances(points_, points, narrow_).unaryExpr(&matern) * scale;
  const Vector means = to.transpose() * weights_;
  root_.triangularView<Eigen::Lower>().solveInPlace(to);
  const Vector known = to.colwise().squaredNorm();
  std::vector<Prediction> all;
  for (Eigen::Index i = 0; i < means.size(); ++i) all.push_back({means[i], std::max(scale - known[i], kLeastVariance)});
  return all;
}

GaussianProcess::Prediction GaussianProcess::predict(const Vector& x, Vector& mean_gradient,
                                                     Vector& variance_gradient) const {
  const double scale = std::exp(logs_[points_.cols()]);
  Vector to = distances_to(x), slope(to.size());
  for (Eigen::Index i = 0; i < to.size(); ++i) {
    const Matern matern(to[i]);
    to[i] = scale * matern.value;
    slope[i] = scale * matern.slope;
  }
  const Vector half = root_.triangularView<Eigen::Lower>().solve(to);
  const Vector whole = root_.transpose().triangularView<Eigen::Upper>().solve(half);
  // Of mean and variance by each squared distance, whose derivative by x is 2 narrow (x - point).
  const Vector by_mean = slope.cwiseProduct(weights_), by_variance = -2 * slope.cwiseProduct(whole);
  const double mean_sum = by_mean.sum(), variance_sum = by_variance.sum();
  mean_gradient = Vector::Zero(x.size());
  variance_gradient = Vector::Zero(x.size());
  for (Eigen::Index d = 0; d < x.size(); ++d) {
    if (choices_[static_cast<std::size_t>(d)]) continue;
    mean_gradient[d] = 2 * narrow_[d] * (x[d] * mean_sum - points_.col(d).dot(by_mean));
    variance_gradient[d] = 2 * narrow_[d] * (x[d] * variance_sum - points_.col(d).dot(by_variance));
  }
  return {to.dot(weights_), std::max(scale - half.squaredNorm(), kLeastVariance)};
}

}  // namespace manta::tune::detail
