// A Gaussian process over points of the unit cube, with the Matern 5/2 kernel and a length for each coordinate
// (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2, 4.2 and 5.4). A coordinate
// that is a choice counts 0 where two points agree and 1 where they do not. Lengths, scale and noise are those of the
// largest posterior density, with the priors of Optuna's GPSampler.
//
// Threading: one thread. Ownership: copies its points.
#pragma once

#include <vector>

#include <Eigen/Core>

namespace manta::tune::detail {

class GaussianProcess {
 public:
  using Vector = Eigen::VectorXd;
  using Matrix = Eigen::MatrixXd;
  struct Prediction {
    double mean = 0, variance = 0;
  };

  // Logarithms: of 1/length^2 of each coordinate, of the kernel's scale, of the noise's variance.
  static Vector default_logs(Eigen::Index coordinates);

  // points: one in a row. values: their mean is 0 and their variance 1. choices: which coordinates are.
  GaussianProcess(Matrix points, Vector values, std::vector<bool> choices);

  // Finds the logarithms, from those on; a bounded number of steps.
  void fit(const Vector& from);
  // Takes them as they are.
  void use(const Vector& logs);
  const Vector& logs() const { return logs_; }

  Prediction predict(const Vector& x) const;
  // Of many points, one in a row: faster than one by one, and the same to about 1e-9.
  std::vector<Prediction> predict_all(const Matrix& points) const;
  // With the gradients of mean and variance; 0 for choices.
  Prediction predict(const Vector& x, Vector& mean_gradient, Vector& variance_gradient) const;

 private:
  double loss(const Vector& logs, Vector& gradient) const;
  // Squared distances, with lengths, of points of one matrix from those of the other.
  Matrix distances(const Matrix& from, const Matrix& to, const Vector& narrow) const;
  Vector distances_to(const Vector& x) const;

  Matrix points_;
  Vector values_;
  std::vector<bool> choices_;
  Vector logs_;
  Vector narrow_;   // 1/length^2
  Matrix root_;     // lower triangular: kernel = root root^T
  Vector weights_;  // kernel^-1 values
};

}  // namespace manta::tune::detail
