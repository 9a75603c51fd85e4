// Random forests (dlib's) that tell flowers apart.
#pragma once

#include <array>
#include <string>
#include <vector>

constexpr int kKinds = 3;
constexpr int kFolds = 5;

struct Iris {
  std::vector<std::array<double, 4>> flowers;
  std::vector<int> kinds;
};

// The table of scikit-learn, its first line a header. Throws std::runtime_error.
Iris load_iris(const std::string& file);

struct ForestParameters {
  int trees = 100;
  int samples_per_leaf = 1;       // at least
  double feature_fraction = 0.5;  // of the features, those that a tree looks at for a split
};

// The share of flowers that forests which have not seen them classify correctly: five folds, each with a fifth of each
// kind.
double cross_validate(const Iris& iris, const ForestParameters& parameters);
