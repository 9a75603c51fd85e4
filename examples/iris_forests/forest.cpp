#include "forest.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include <dlib/random_forest.h>

namespace {

using Sample = dlib::matrix<double, 0, 1>;
using Trainer = dlib::random_forest_regression_trainer<dlib::dense_feature_extractor>;

Sample sample_of(const std::array<double, 4>& flower) {
  Sample sample(4);
  for (int i = 0; i < 4; ++i) sample(i) = flower[static_cast<std::size_t>(i)];
  return sample;
}

}  // namespace

Iris load_iris(const std::string& file) {
  std::ifstream lines(file);
  Iris iris;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    std::array<double, 4> flower{};
    char comma = 0;
    int kind = 0;
    for (double& each : flower) cells >> each >> comma;
    if (!(cells >> kind) || kind < 0 || kind >= kKinds) throw std::runtime_error(file + ": this is no flower: " + line);
    iris.flowers.push_back(flower);
    iris.kinds.push_back(kind);
  }
  if (iris.kinds.empty()) throw std::runtime_error(file + " cannot be read. Next: cmake/deps.sh digits brings it");
  return iris;
}

double cross_validate(const Iris& iris, const ForestParameters& parameters) {
  const std::size_t count = iris.kinds.size(), of_kind = count / kKinds;
  int right = 0;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    const auto tested = [&](std::size_t i) { return i % of_kind * kFolds / of_kind == fold; };
    // One forest for each kind: how much a flower looks like it.
    std::vector<Trainer::trained_function_type> forests;
    for (int kind = 0; kind < kKinds; ++kind) {
      std::vector<Sample> samples;
      std::vector<double> likeness;
      for (std::size_t i = 0; i < count; ++i) {
        if (tested(i)) continue;
        samples.push_back(sample_of(iris.flowers[i]));
        likeness.push_back(iris.kinds[i] == kind ? 1 : 0);
      }
      Trainer trainer;
      trainer.set_num_trees(static_cast<std::size_t>(parameters.trees));
      trainer.set_min_samples_per_leaf(static_cast<std::size_t>(parameters.samples_per_leaf));
      trainer.set_feature_subsampling_fraction(parameters.feature_fraction);
      trainer.set_seed("iris");
      forests.push_back(trainer.train(samples, likeness));
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!tested(i)) continue;
      const Sample sample = sample_of(iris.flowers[i]);
      int predicted = 0;
      for (int kind = 1; kind < kKinds; ++kind) {
        if (forests[static_cast<std::size_t>(kind)](sample) > forests[static_cast<std::size_t>(predicted)](sample))
          predicted = kind;
      }
      right += predicted == iris.kinds[i] ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(count);
}
