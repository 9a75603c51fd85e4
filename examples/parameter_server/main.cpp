// A parameter server, sharded: servers hold parts of a network's parameters; workers pull them, compute gradients on
// their part of MNIST and push those.
//
//   build/release/bin/parameter_server --data .deps/mnist
//   build/release/bin/parameter_server --data .deps/mnist --async
//
// prints, with other times (and other losses where it is asynchronous)
//
//   101770 parameters on 2 servers; 2 workers, each with 30000 images
//   #% of the images seen: loss #
//   #% of the images seen: loss #
//   #% of the images seen: loss #
//   #% of the images seen: loss #
//   test accuracy #% after one pass, in # s

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "training.h"

namespace {

struct Options {
  std::string data = ".deps/mnist";
  bool async = false;
  int servers = 2, workers = 2;
  std::int64_t batch_size = 32;  // of each worker
};

// All parameters, as the servers have them now.
torch::Tensor pull(const std::vector<manta::Actor<Shard>>& shards) {
  std::vector<manta::Ref<torch::Tensor>> parts;
  for (const auto& shard : shards) parts.push_back(shard.call<&Shard::pull>());
  return torch::cat(manta::get(parts));
}

// So many steps of each worker. Returns their mean loss.
double train(const std::vector<manta::Actor<Trainer>>& trainers, std::int64_t steps) {
  std::vector<manta::Ref<double>> losses;
  for (const auto& trainer : trainers) losses.push_back(trainer.call<&Trainer::train>(steps));
  double sum = 0;
  for (const double loss : manta::get(losses)) sum += loss;
  return sum / static_cast<double>(trainers.size());
}

void run(const Options& options) {
  const Digits images = read_digits(options.data, Part::train);
  const std::int64_t part = images.size() / options.workers, steps = part / options.batch_size;

  // Synchronous: an update is the mean of one gradient of each worker. Asynchronous: each gradient is an update, made
  // with parameters that may be one older; half as far, since there are twice as many.
  torch::manual_seed(1);
  const torch::Tensor start = flat_parameters(*make_network());
  const int gradients = options.async ? 1 : options.workers;
  const Schedule schedule{.learning_rate = 0.1 * gradients / options.workers,
                          .updates = steps * options.workers / gradients,
                          .gradients_each = gradients};
  std::vector<manta::Actor<Shard>> shards;
  for (const torch::Tensor& shard : start.tensor_split(options.servers)) {
    shards.push_back(manta::actor<Shard>(shard, schedule));
  }
  const manta::Ref<Digits> stored = manta::put(images);  // once; each worker reads its part in place
  std::vector<manta::Actor<Trainer>> trainers;
  for (int i = 0; i < options.workers; ++i) {
    trainers.push_back(manta::actor<Trainer>(shards, stored, i * part, part, options.batch_size));
  }
  std::printf("%ld parameters on %d servers; %d workers, each with %ld images\n", static_cast<long>(start.numel()),
              options.servers, options.workers, static_cast<long>(part));

  const auto begin = std::chrono::steady_clock::now();
  for (int quarter = 1; quarter <= 4; ++quarter) {
    const std::int64_t todo = steps * quarter / 4 - steps * (quarter - 1) / 4;
    double loss = 0;
    if (options.async) {
      loss = train(trainers, todo);  // no worker waits for another
    } else {
      for (std::int64_t i = 0; i < todo; ++i) loss += train(trainers, 1) / static_cast<double>(todo);
    }
    std::printf("%d%% of the images seen: loss %.3f\n", 25 * quarter, loss);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("test accuracy %.2f%% after one pass, in %.1f s\n",
              100 * accuracy(pull(shards), read_digits(options.data, Part::test)), seconds.count());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A sharded parameter server trains a network on MNIST.");
  app.option_defaults()->always_capture_default();
  app.add_option("--data", options.data,
                 "Folder with the four idx files of MNIST (cmake/deps.sh mnist makes .deps/mnist)");
  app.add_flag("--async", options.async, "Each gradient is an update of its own; workers do not wait for each other");
  app.add_option("--servers", options.servers, "Processes that hold the parameters")->check(CLI::Range(1, 64));
  app.add_option("--workers", options.workers, "Processes that compute gradients")->check(CLI::Range(1, 64));
  app.add_option("--batch-size", options.batch_size, "Images in a worker's step")->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);

  try {
    auto runtime = manta::init(argc, argv);
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "parameter_server: %s\n", error.what());
    return 1;
  }
  return 0;
}
