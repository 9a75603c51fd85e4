// pareto_study STORAGE TRIALS: runs a study of two objectives and a constraint in STORAGE/study, for
// pareto_study_test.py. Prints the numbers of all trials, then those of the Pareto front.
#include <cstdlib>
#include <iostream>

#include <manta/manta.h>
#include <manta/tune.h>

namespace {

namespace tune = manta::tune;

struct Config {
  double x = 0, y = 0;
};

Config space(tune::Space& space) {
  const double x = space.uniform("x", 0, 1);
  return {x, space.uniform("y", 0, 1)};
}

tune::Metrics objective(tune::Trial& trial, const Config& config) {
  trial.constrain("corner", 0.8 - config.x - config.y);
  return {{"near", config.x * config.x + config.y}, {"wide", config.x - config.y}};
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});
  const auto results =
      tune::Tuner<space, objective>(
          {.objectives = {{"near", tune::Mode::min}, {"wide", tune::Mode::max}},
           .num_samples = std::atoi(argv[2]),
           .searcher = std::make_shared<tune::TpeSearcher>()},
          {.name = "study", .storage_path = argv[1], .resume = true, .tensorboard = false, .verbose = false})
          .fit();
  std::cout << results.trials().size();
  for (const auto* trial : results.pareto_front()) std::cout << ' ' << trial->number;
  std::cout << '\n';
  return 0;
}
