// peers_writer FOLDER: runs a study there, for peers_test.py to read with other programs' readers.
#include <cmath>
#include <stdexcept>

#include <manta/manta.h>
#include <manta/tune.h>

namespace {

namespace tune = manta::tune;

struct Config {
  double rate = 0;
  int layers = 0;
  std::string kernel;
  double gamma = 0;
  bool balanced = false;
};

Config space(tune::Space& space) {
  Config config;
  config.rate = space.log_uniform("rate", 1e-5, 1e-1);
  config.layers = space.integer("layers", 1, 4);
  config.kernel = space.choice("kernel", {"rbf", "linear"});
  if (config.kernel == "rbf") config.gamma = space.grid("gamma", {0.5, 1.0});
  config.balanced = space.choice("balanced", {true, false});
  return config;
}

double objective(tune::Trial& trial, const Config& config) {
  if (trial.number() == 3) throw std::runtime_error("the \"third\" trial");
  double loss = 0;
  for (int epoch = 1; epoch <= 4; ++epoch) {
    loss = config.rate * config.layers + 1.0 / epoch + (trial.number() % 2 == 0 ? 0 : 10);
    trial.report({{"loss", loss}, {"epoch", static_cast<double>(epoch)}});
  }
  if (trial.number() == 4) trial.report({{"loss", NAN}});
  return loss;
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});
  const auto asha = std::make_shared<tune::Asha>(tune::AshaOptions{.max_t = 100, .grace_period = 2});
  const auto results = tune::Tuner<space, objective>({.metric = "loss", .num_samples = 12, .scheduler = asha},
                                                     {.name = "study", .storage_path = argv[1]})
                           .fit();
  return results.best().number >= 0 ? 0 : 1;
}
