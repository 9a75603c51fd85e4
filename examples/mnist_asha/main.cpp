// ASHA against plain random search at the same budget: networks for MNIST, whose layers, rates and batches are searched
// for. ASHA gives each trial one epoch and only the best quarter of them more; the random search trains its trials to
// the end, as many as the epochs allow that ASHA has used. Then both have trained for as long, and ASHA has looked at
// more networks.
//
//   build/release/bin/mnist_asha [--data .deps/mnist] [--trials 64] [--epochs 16] [--images 6000] [--seed 0]
//
// prints
//
//   ASHA:   64 trials, # epochs, # s: best accuracy 0.# (# units, rate #)
//   random: # trials, # epochs, # s: best accuracy 0.# (# units, rate #)

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include <torch/torch.h>
#include <CLI/CLI.hpp>

#include <manta/manta.h>
#include <manta/torch.h>
#include <manta/tune.h>

#include "../mnist_data_parallel/dataset.h"

namespace tune = manta::tune;

struct Config {
  double rate = 0;
  double momentum = 0;
  std::int64_t batch = 0;
  std::int64_t units = 0;
  int layers = 0;
  double dropout = 0;
  double decay = 0;
};

Config space(tune::Space& space) {
  Config config;
  config.rate = space.log_uniform("rate", 1e-5, 10);
  config.decay = space.log_uniform("weight_decay", 1e-6, 1);
  config.momentum = space.uniform("momentum", 0, 0.99);
  config.batch = space.choice<std::int64_t>("batch", {16, 64, 256});
  config.units = space.log_integer<std::int64_t>("units", 8, 256);
  config.layers = space.integer("layers", 1, 4);
  if (config.layers > 1) config.dropout = space.uniform("dropout", 0, 0.9);  // between layers
  return config;
}

struct Task {
  Digits train, test;
  int epochs = 0;
};

torch::nn::Sequential network_of(const Config& config) {
  torch::nn::Sequential network(torch::nn::Flatten(), torch::nn::Linear(28 * 28, config.units), torch::nn::ReLU());
  for (int i = 1; i < config.layers; ++i) {
    network->push_back(torch::nn::Dropout(config.dropout));
    network->push_back(torch::nn::Linear(config.units, config.units));
    network->push_back(torch::nn::ReLU());
  }
  network->push_back(torch::nn::Linear(config.units, 10));
  return network;
}

double accuracy_of(torch::nn::Sequential& network, const Digits& digits) {
  const torch::NoGradGuard no_gradients;
  network->eval();
  const torch::Tensor predicted = network->forward(normalised(digits.images)).argmax(1);
  network->train();
  return predicted.eq(digits.labels.to(torch::kLong)).to(torch::kDouble).mean().item<double>();
}

void objective(tune::Trial& trial, const Config& config, const Task& task) {
  at::set_num_threads(1);
  torch::manual_seed(trial.number());
  torch::nn::Sequential network = network_of(config);
  torch::optim::SGD optimizer(
      network->parameters(),
      torch::optim::SGDOptions(config.rate).momentum(config.momentum).weight_decay(config.decay));
  const torch::Tensor labels = task.train.labels.to(torch::kLong), images = normalised(task.train.images);
  for (int epoch = 1; epoch <= task.epochs; ++epoch) {
    const torch::Tensor order = torch::randperm(task.train.size());
    for (std::int64_t at = 0; at < task.train.size(); at += config.batch) {
      const torch::Tensor batch = order.slice(0, at, at + config.batch);
      optimizer.zero_grad();
      torch::cross_entropy_loss(network->forward(images.index_select(0, batch)), labels.index_select(0, batch))
          .backward();
      optimizer.step();
    }
    trial.report({{"accuracy", accuracy_of(network, task.test)}});  // the scheduler may end it here
  }
}

// Prints what came of it; returns the epochs that were trained.
std::int64_t search(const std::string& name, tune::TunerConfig config, bool progress, const manta::Ref<Task>& task) {
  const auto start = std::chrono::steady_clock::now();
  config.metric = "accuracy";
  config.mode = tune::Mode::max;
  const auto results = tune::Tuner<space, objective>(config, {.verbose = progress}).fit(task);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::int64_t epochs = 0;
  for (const auto& trial : results.trials()) epochs += static_cast<std::int64_t>(trial.reports.size());
  const auto& best = results.best();
  std::printf("%-7s %zu trials, %lld epochs, %.1f s: best accuracy %.4f (%lld units, rate %.3g)\n",
              (name + ":").c_str(), results.trials().size(), static_cast<long long>(epochs), seconds, *best.value,
              static_cast<long long>(best.config.units), best.config.rate);
  return epochs;
}

int main(int argc, char** argv) try {
  auto runtime = manta::init(argc, argv);
  std::filesystem::path data = ".deps/mnist";
  std::int64_t trials = 64, images = 6000;
  int epochs = 16;
  std::uint64_t seed = 0;
  bool progress = false;
  CLI::App app("ASHA against random search");
  app.add_option("--data", data, "the folder of MNIST's files");
  app.add_option("--trials", trials, "of ASHA")->check(CLI::PositiveNumber);
  app.add_option("--epochs", epochs, "of a trial that is not stopped")->check(CLI::PositiveNumber);
  app.add_option("--images", images, "for training; a third as many for testing")->check(CLI::Range(100, 60'000));
  app.add_option("--seed", seed, "of what is tried");
  app.add_flag("--progress", progress, "show a table meanwhile");
  CLI11_PARSE(app, argc, argv);

  const Task task{read_digits(data, Part::train, images), read_digits(data, Part::test, images / 3), epochs};
  const auto stored = manta::put(task);
  const auto asha = std::make_shared<tune::Asha>(tune::AshaOptions{.max_t = epochs, .reduction_factor = 4});
  const std::int64_t used = search("ASHA", {.num_samples = trials, .seed = seed, .scheduler = asha}, progress, stored);
  search("random", {.num_samples = std::max<std::int64_t>(used / epochs, 1), .seed = seed + 1000}, progress, stored);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
