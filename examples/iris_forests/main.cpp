// A grid: all combinations of three parameters of random forests, each on five folds of the 150 irises.
//
//   build/release/bin/iris_forests .deps/digits/iris.csv
//
// prints
//
//   36 combinations, 180 fits
//   trees 10:  best accuracy 0.9#
//   trees 30:  best accuracy 0.9#
//   trees 100: best accuracy 0.9#
//   best of all: 0.9# with # trees, # samples in a leaf, # of the features

#include <algorithm>
#include <cstdio>
#include <exception>

#include <manta/manta.h>
#include <manta/tune.h>

#include "forest.h"

namespace tune = manta::tune;

ForestParameters space(tune::Space& space) {
  ForestParameters parameters;
  parameters.trees = space.grid("trees", {10, 30, 100});
  parameters.samples_per_leaf = space.grid("samples_per_leaf", {1, 3, 5, 10});
  parameters.feature_fraction = space.grid("feature_fraction", {0.25, 0.5, 1.0});
  return parameters;
}

double objective(tune::Trial&, const ForestParameters& parameters, const Iris& iris) {
  return cross_validate(iris, parameters);
}

int main(int argc, char** argv) try {
  auto runtime = manta::init(argc, argv);
  tune::Tuner<space, objective> tuner({.metric = "accuracy", .mode = tune::Mode::max}, {.verbose = false});
  const auto results = tuner.fit(load_iris(argc > 1 ? argv[1] : ".deps/digits/iris.csv"));

  std::printf("%zu combinations, %zu fits\n", results.trials().size(), results.trials().size() * kFolds);
  for (const int trees : {10, 30, 100}) {
    double best = 0;
    for (const auto& trial : results.trials()) {
      if (trial.config.trees == trees) best = std::max(best, trial.value.value_or(0));
    }
    std::printf("trees %-4s best accuracy %.4f\n", (std::to_string(trees) + ":").c_str(), best);
  }
  const auto& best = results.best();
  std::printf("best of all: %.4f with %d trees, %d samples in a leaf, %g of the features\n", *best.value,
              best.config.trees, best.config.samples_per_leaf, best.config.feature_fraction);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
