#include "forest.h"

#include <cmath>
#include <cstdint>

#include <dlib/random_forest.h>

namespace {

// How dlib looks at a house: a pointer to its features, wherever they lie. (Its own extractor wants a matrix each.)
class Features {
 public:
  using feature = std::uint32_t;
  using sample_type = const float*;

  void setup(const std::vector<sample_type>&, const std::vector<double>&) {}
  std::size_t max_num_feats() const { return Houses::kFeatures; }
  double extract_feature_value(sample_type house, feature which) const { return house[which]; }
  // As many different ones, at random.
  void get_random_features(dlib::rand& random, std::size_t count, std::vector<feature>& chosen) const {
    chosen.resize(Houses::kFeatures);
    for (feature i = 0; i < Houses::kFeatures; ++i) chosen[i] = i;
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(chosen[i],
                chosen[static_cast<std::size_t>(random.get_integer_in_range(static_cast<int>(i), Houses::kFeatures))]);
    }
    chosen.resize(count);
  }
};

}  // namespace

double forest_error(const Houses& houses, int trees) {
  std::vector<const float*> features;
  std::vector<double> prices;
  for (std::size_t i = 0; i < training_part(houses); ++i) {
    features.push_back(houses.features(i));
    prices.push_back(houses.price(i));
  }
  dlib::random_forest_regression_trainer<Features> trainer;
  trainer.set_num_trees(static_cast<std::size_t>(trees));
  trainer.set_seed(std::to_string(trees));
  const auto forest = trainer.train(features, prices);

  double squares = 0;
  for (std::size_t i = training_part(houses); i < houses.size(); ++i) {
    squares += std::pow(forest(houses.features(i)) - houses.price(i), 2);
  }
  return std::sqrt(squares / static_cast<double>(houses.size() - training_part(houses)));
}
