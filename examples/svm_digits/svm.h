// Support vector machines with RBF kernels, by libsvm.
#pragma once

#include "digits.h"

struct SvmParameters {
  double c = 1;
  double gamma = 1;
  double tolerance = 1e-3;
  bool balanced = false;  // weights n / (classes * count of the class), else all 1
};

// The mean accuracy over the five folds. What depends on gamma alone is computed once for all of them.
double cross_validate(const Digits& digits, const SvmParameters& parameters);
