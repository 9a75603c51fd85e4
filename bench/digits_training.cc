// The training of the peers' ray_train.py, on Manta: two workers of one thread each, 400 steps on the 1,797 digits.
//
//   digits_training mlp|cnn LAUNCHED DIGITS.csv
//
// LAUNCHED: when the program was started, in seconds since 1970. Prints: samples per second after the first 50 steps,
// seconds from LAUNCHED to the end of the first step, accuracy on all samples, loss of the last step, of rank 0.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>
#include <manta/train/distributed_data_parallel.h>
#include <manta/train/trainer.h>

namespace {

constexpr int kSteps = 400, kWarm = 50, kBatch = 32, kWorkers = 2;

struct Task {
  std::string network;
  double launched = 0;
};
struct Digits {
  torch::Tensor images;  // [1797, 64], 0 to 1
  torch::Tensor labels;  // [1797]
};

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

Digits read_digits(const char* path) {
  std::ifstream file(path);
  std::vector<float> pixels;
  std::vector<std::int64_t> labels;
  std::vector<float> row(65);
  while (true) {
    char comma = ',';
    for (std::size_t i = 0; i < row.size() && (i == 0 || file >> comma); ++i) file >> row[i];
    if (!file) break;
    pixels.insert(pixels.end(), row.begin(), row.end() - 1);
    labels.push_back(static_cast<std::int64_t>(row.back()));
  }
  if (labels.size() != 1797) {
    throw std::runtime_error(std::string(path) + " has not the 1,797 digits. Next: cmake/deps.sh digits");
  }
  const auto count = static_cast<std::int64_t>(labels.size());
  return {torch::tensor(pixels).view({count, 64}) / 16, torch::tensor(labels)};
}

// Made one after the other, as Python does: arguments of a constructor would be made in any order, with other weights.
torch::nn::Sequential network_of(const std::string& kind) {
  namespace nn = torch::nn;
  nn::Sequential network;
  if (kind == "cnn") {
    network->push_back(nn::Conv2d(nn::Conv2dOptions(1, 32, 3).padding(1)));
    network->push_back(nn::ReLU());
    network->push_back(nn::Conv2d(nn::Conv2dOptions(32, 64, 3).padding(1)));
    network->push_back(nn::ReLU());
    network->push_back(nn::MaxPool2d(2));
    network->push_back(nn::Flatten());
    network->push_back(nn::Linear(64 * 16, 128));
  } else {
    network->push_back(nn::Linear(64, 128));
    network->push_back(nn::ReLU());
    network->push_back(nn::Linear(128, 128));
  }
  network->push_back(nn::ReLU());
  network->push_back(nn::Linear(128, 10));
  return network;
}

void loop(manta::train::Context& context, const Task& task, const Digits& digits) {
  torch::manual_seed(0);
  const torch::Tensor images = task.network == "cnn" ? digits.images.view({-1, 1, 8, 8}) : digits.images;
  torch::nn::Sequential network = network_of(task.network);
  manta::train::DistributedDataParallel model(network, context.process_group());
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  at::Generator generator = at::detail::createCPUGenerator(1);
  const torch::Tensor mine = torch::arange(context.rank(), images.size(0), context.world_size());
  manta::train::Metrics metrics;
  auto start = std::chrono::steady_clock::now();
  torch::Tensor loss;
  for (int step = 0; step < kSteps; ++step) {
    if (step == kWarm) {
      context.process_group()->barrier()->wait();
      start = std::chrono::steady_clock::now();
    }
    const torch::Tensor indices = mine.index_select(0, torch::randint(mine.size(0), {kBatch}, generator, torch::kLong));
    optimizer.zero_grad();
    loss = torch::cross_entropy_loss(model(images.index_select(0, indices)), digits.labels.index_select(0, indices));
    loss.backward();
    optimizer.step();
    if (step == 0) metrics["first"] = now() - task.launched;
  }
  context.process_group()->barrier()->wait();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const torch::NoGradGuard no_grad;
  metrics["rate"] = (kSteps - kWarm) * kBatch * kWorkers / seconds;
  metrics["accuracy"] = network->forward(images).argmax(1).eq(digits.labels).to(torch::kFloat).mean().item<double>();
  metrics["loss"] = loss.item<double>();
  context.report(metrics);
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = kWorkers});
  if (argc != 4) {
    std::fprintf(stderr, "usage: digits_training mlp|cnn LAUNCHED DIGITS.csv\n");
    return 2;
  }
  const auto results = std::filesystem::temp_directory_path() / ("digits_training." + std::to_string(getpid()));
  bool failed = false;
  try {
    manta::train::Trainer<loop> trainer({.num_workers = kWorkers}, {.storage_path = results, .tensorboard = false});
    const auto result = trainer.fit(Task{argv[1], std::stod(argv[2])}, manta::put(read_digits(argv[3])));
    std::printf("%.1f %.6f %.6f %.6f\n", result.metrics.at("rate"), result.metrics.at("first"),
                result.metrics.at("accuracy"), result.metrics.at("loss"));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "digits_training: %s\n", error.what());
    failed = true;
  }
  std::filesystem::remove_all(results);
  return failed ? 1 : 0;
}
