// The classic randomised search: support vector machines on the 1,797 digits, each candidate on five folds. The
// candidates are those that scikit-learn's RandomizedSearchCV(random_state=0) tries, so that the scores can be
// compared: they are the same.
//
//   build/release/bin/svm_digits [--data .deps/digits/digits.csv] [--candidates 30] [--each] [--progress]
//
// prints
//
//   30 candidates, 150 fits in # s
//   best accuracy 0.9716, trial 26: C=489.4 gamma=0.0009237 tol=0.002807 class_weight=balanced

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <manta/manta.h>
#include <manta/tune.h>

#include "svm.h"

namespace tune = manta::tune;

// NumPy's logspace(low, high, 30).
std::vector<double> powers_of_ten(double low, double high) {
  constexpr int kCount = 30;
  std::vector<double> values;
  for (int i = 0; i < kCount; ++i)
    values.push_back(std::pow(10.0, i + 1 == kCount ? high : i * ((high - low) / (kCount - 1)) + low));
  return values;
}

struct Config {
  double c = 0;
  double gamma = 0;
  double tolerance = 0;
  std::string class_weight;
};

Config space(tune::Space& space) {
  Config config;
  config.c = space.choice("C", powers_of_ten(-6, 6));
  config.gamma = space.choice("gamma", powers_of_ten(-8, 8));
  config.tolerance = space.choice("tol", powers_of_ten(-4, -1));
  config.class_weight = space.choice("class_weight", {"none", "balanced"});
  return config;
}

double objective(tune::Trial&, const Config& config, const Digits& digits) {
  return cross_validate(digits, {.c = config.c,
                                 .gamma = config.gamma,
                                 .tolerance = config.tolerance,
                                 .balanced = config.class_weight == "balanced"});
}

// Numbers combinations as ParameterGrid does (tol turns fastest, C slowest), and takes different ones by chance, as
// ParameterSampler with RandomState(0) does.
class SklearnSampler : public tune::Searcher {
 public:
  static constexpr std::uint32_t kCombinations = 30 * 30 * 30 * 2;
  static constexpr int kMost = kCombinations / 100;  // of more, it would draw in another way

  explicit SklearnSampler(int count) {
    std::mt19937 random(0);
    std::set<std::uint32_t> taken;
    while (static_cast<int>(combinations_.size()) < count) {
      const std::uint32_t drawn = random() & 0xffff;
      if (drawn < kCombinations && taken.insert(drawn).second) combinations_.push_back(drawn);
    }
  }
  double suggest(const tune::TrialRecord& trial, std::string_view name, const tune::Distribution&) override {
    const std::uint32_t combination = combinations_.at(static_cast<std::size_t>(trial.number));
    if (name == "tol") return combination % 30;
    if (name == "gamma") return combination / 30 % 30;
    if (name == "class_weight") return combination / 900 % 2;
    return combination / 1800;
  }
  bool learns() const override { return false; }

 private:
  std::vector<std::uint32_t> combinations_;
};

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  std::string data = ".deps/digits/digits.csv", storage = "manta_results";
  int candidates = 30;
  bool each = false, progress = false;
  CLI::App app("A randomised search over support vector machines");
  app.add_option("--data", data, "the table of digits");
  app.add_option("--candidates", candidates, "how many to try")->check(CLI::Range(1, SklearnSampler::kMost));
  app.add_option("--storage", storage, "where the study's files are written");
  app.add_flag("--each", each, "print a line of JSON for each candidate");
  app.add_flag("--progress", progress, "show a table meanwhile");
  CLI11_PARSE(app, argc, argv);

  const auto start = std::chrono::steady_clock::now();
  const auto digits = manta::put(load_digits(data));  // with all distances: read in place by all workers
  tune::Tuner<space, objective> tuner({.metric = "accuracy",
                                       .mode = tune::Mode::max,
                                       .num_samples = candidates,
                                       .searcher = std::make_shared<SklearnSampler>(candidates)},
                                      {.storage_path = storage, .verbose = progress});
  const auto results = tuner.fit(digits);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (each) {
    for (const auto& trial : results.trials()) {
      std::printf("{\"C\": %.17g, \"gamma\": %.17g, \"tol\": %.17g, \"class_weight\": \"%s\", \"accuracy\": %.17g}\n",
                  trial.config.c, trial.config.gamma, trial.config.tolerance, trial.config.class_weight.c_str(),
                  trial.value.value_or(NAN));
    }
  }
  const auto& best = results.best();
  std::printf("%d candidates, %d fits in %.2f s\n", candidates, candidates * kFolds, seconds);
  std::printf("best accuracy %.4f, trial %lld: C=%.4g gamma=%.4g tol=%.4g class_weight=%s\n", *best.value,
              static_cast<long long>(best.number), best.config.c, best.config.gamma, best.config.tolerance,
              best.config.class_weight.c_str());
}
