// Minimising a smooth function in a box: L-BFGS (Nocedal and Wright, "Numerical Optimization", algorithm 7.4), each
// step cut to the box, and gradients that point out of it left out (as L-BFGS-B's projection does).
//
// Threading: one thread. Ownership: none.
#pragma once

#include <functional>

#include <Eigen/Core>

namespace manta::tune::detail {

struct Minimum {
  Eigen::VectorXd x;
  double value = 0;
};

// function: the value at x, and in `gradient` its gradient; infinite where it is not defined.
using Smooth = std::function<double(const Eigen::VectorXd& x, Eigen::VectorXd& gradient)>;

Minimum descend(const Smooth& function, Eigen::VectorXd start, const Eigen::VectorXd& low, const Eigen::VectorXd& high,
                int steps);

}  // namespace manta::tune::detail
