// shared_study STORAGE TRIALS: runs a study of so many trials in STORAGE/study, for shared_study_test.py, which uses
// its journal at the same time. Prints the number of trials that Manta knows at the end, and of those that it has run.
#include <cstdlib>
#include <iostream>

#include <manta/manta.h>
#include <manta/tune.h>

namespace {

namespace tune = manta::tune;

struct Config {
  double x = 0;
  int layers = 0;
  std::string kernel;
};

Config space(tune::Space& space) {
  Config config;
  config.x = space.uniform("x", -1, 1);
  config.layers = space.integer("layers", 1, 4);
  config.kernel = space.choice("kernel", {"rbf", "poly"});
  return config;
}

tune::Metrics objective(tune::Trial& trial, const Config& config) {
  for (int step = 1; step <= 3; ++step) trial.report({{"loss", config.x * config.x + 1.0 / step}});
  return {{"loss", config.x * config.x + config.layers}, {"by", 1}};
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});
  const auto results =
      tune::Tuner<space, objective>(
          {.metric = "loss", .num_samples = std::atoi(argv[2])},
          {.name = "study", .storage_path = argv[1], .resume = true, .tensorboard = false, .verbose = false})
          .fit();
  int own = 0;
  for (const auto& trial : results.trials())
    own += trial.metrics.contains("by") || trial.status == tune::TrialStatus::failed;
  std::cout << results.trials().size() << ' ' << own << ' ' << *results.best().value << '\n';
  return 0;
}
