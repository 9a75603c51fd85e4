// Covariance matrix adaptation in the unit cube: the strategy itself, without a study.
//
// The constants and names are those of Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772: weights with
// negative ones (equations 49 to 53), step size (44), paths (43, 45), covariance (47).
//
// Threading: one thread. Ownership: a value.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "tune/searchers/draws.h"

namespace manta::tune::detail {

class CmaEs {
 public:
  using Vector = Eigen::VectorXd;
  using Matrix = Eigen::MatrixXd;
  struct Point {
    Vector x;
    double value = 0;  // smaller is better; not NaN
  };

  // least: of each coordinate, the standard deviation that it keeps; 0: none.
  CmaEs(const Vector& mean, double sigma, std::size_t population, const Vector& least);

  std::size_t population() const { return population_; }
  // A point of the cube.
  Vector sample(Draws& draws) const;
  // The next generation: `population` points.
  void tell(std::vector<Point> generation);
  // Nothing is to be expected of it any more.
  bool converged() const { return converged_; }

 private:
  void decompose();
  void set_weights();

  std::size_t population_;
  Vector mean_;
  double sigma_;
  Vector least_;
  Matrix covariance_, axes_;  // axes: eigenvectors
  Vector scales_;             // square roots of the eigenvalues
  Vector path_sigma_, path_c_;
  Vector weights_;
  double mu_eff_ = 0, c_sigma_ = 0, d_sigma_ = 0, c_c_ = 0, c_1_ = 0, c_mu_ = 0, expected_norm_ = 0;
  std::size_t generations_ = 0;
  std::deque<double> bests_;  // of the last generations
  bool converged_ = false;
};

}  // namespace manta::tune::detail
