// A common loop: fit a hundred models, score each, keep the best. Here logistic regression on 569
// tumours, with a hundred strengths of regularisation, each scored on five folds. First as a loop, then by a Tuner: the
// same scores, on all processors, with a table of them in manta_results/.
//
//   build/release/bin/hundred_models .deps/digits/breast_cancer.csv
//
// prints
//
//   569 tumours, 100 models, 500 fits
//   loop:  best accuracy 0.9# with strength #, # s
//   tuner: best accuracy 0.9# with strength #, # s
//   the same scores: 100 of 100

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <manta/manta.h>
#include <manta/tune.h>

#include "logistic.h"

namespace tune = manta::tune;

std::vector<double> strengths() {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(std::pow(10, -4 + 8 * i / 99.0));
  return values;
}

struct Config {
  double strength = 0;
};

Config space(tune::Space& space) { return {space.grid("strength", strengths())}; }

double objective(tune::Trial&, const Config& config, const Table& table) {
  return cross_validate(table, config.strength);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int main(int argc, char** argv) try {
  auto runtime = manta::init(argc, argv);
  const Table table = load_table(argc > 1 ? argv[1] : ".deps/digits/breast_cancer.csv");
  std::printf("%zu tumours, 100 models, 500 fits\n", table.labels.size());

  auto start = std::chrono::steady_clock::now();
  std::vector<double> scores;
  std::size_t best = 0;
  for (const double strength : strengths()) {
    scores.push_back(cross_validate(table, strength));
    if (scores.back() > scores[best]) best = scores.size() - 1;
  }
  std::printf("loop:  best accuracy %.4f with strength %.3g, %.2f s\n", scores[best], strengths()[best],
              seconds_since(start));

  start = std::chrono::steady_clock::now();
  tune::Tuner<space, objective> tuner({.metric = "accuracy", .mode = tune::Mode::max}, {.verbose = false});
  const auto results = tuner.fit(manta::put(table));
  std::printf("tuner: best accuracy %.4f with strength %.3g, %.2f s\n", *results.best().value,
              results.best().config.strength, seconds_since(start));
  int same = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) same += results.trials().at(i).value == scores[i] ? 1 : 0;
  std::printf("the same scores: %d of %zu\n", same, scores.size());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
