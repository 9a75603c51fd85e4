// The trainings of ddp_reference.json, whose losses, parameters and buffers Python's DistributedDataParallel computed
// (ddp_reference.py): every rank has the same, step by step.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using Json = nlohmann::json;
using torch::nn::Linear;
using torch::nn::LinearOptions;

constexpr std::int64_t kBatch = 4, kWidth = 3;

// The output of forward: most models return a tensor, one a structure.
struct Output {
  torch::Tensor left;
  std::map<std::string, std::optional<torch::Tensor>> more;
};

// A layer that shares its weight with another layer.
struct SharingImpl : torch::nn::Module {
  SharingImpl(const torch::Tensor& shared, std::int64_t outputs)
      : weight(register_parameter("weight", shared)), bias(register_parameter("bias", torch::zeros({outputs}))) {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::linear(x, weight, bias); }
  torch::Tensor weight, bias;
};
TORCH_MODULE(Sharing);

struct ModelImpl : torch::nn::Module {
  explicit ModelImpl(std::string kind) : kind_(std::move(kind)) {
    if (kind_ == "heads" || kind_ == "pair") add({{"body", 4}, {"left", 1}, {"right", 1}});
    if (kind_ == "reuses") add({{"body", kWidth}, {"out", 1}, {"unused", 1}});
    if (kind_ == "tied") {
      add({{"first", kWidth}});
      second = register_module("second", Sharing(linear.at("first")->weight, kWidth));
      add({{"out", 1}});
    }
    if (kind_ == "embedding") {
      words = register_module("words", torch::nn::Embedding(torch::nn::EmbeddingOptions(10, kWidth).sparse(true)));
      add({{"out", 1}});
    }
    if (kind_ == "norm") {
      add({{"body", 4}});
      norm = register_module("norm", torch::nn::BatchNorm1d(4));
      add({{"wide", 1}});
    }
  }

  Output forward(const torch::Tensor& x, int which) {
    const auto through = [&](const char* name, const torch::Tensor& input) { return linear.at(name)->forward(input); };
    if (kind_ == "embedding")
      return {through("out", words((x * 5 + 5).floor().to(torch::kLong).clamp(0, 9)).mean(1)), {}};
    if (kind_ == "tied") return {through("out", torch::tanh(second(torch::tanh(through("first", x))))), {}};
    if (kind_ == "norm") return {through("wide", norm(through("body", x))), {}};
    const torch::Tensor h = torch::tanh(through("body", x));
    if (kind_ == "reuses") return {through("out", torch::tanh(through("body", h))), {}};
    if (kind_ == "pair") return {through("left", h), {{"none", std::nullopt}, {"right", through("right", h)}}};
    if (which == 0) return {through("left", h), {}};
    return {which == 1 ? through("right", h) : through("left", h) + through("right", h), {}};
  }

  void add(const std::vector<std::pair<std::string, std::int64_t>>& layers) {
    for (const auto& [name, outputs] : layers) {
      const std::int64_t inputs = name == "left" || name == "right" || name == "wide" ? 4 : kWidth;
      linear.emplace(name, register_module(name, Linear(inputs, outputs)));
    }
  }

  std::string kind_;
  std::map<std::string, Linear> linear;
  torch::nn::Embedding words{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  Sharing second{nullptr};
};
TORCH_MODULE(Model);

// Each parameter once, like Python's parameters().
std::vector<torch::Tensor> parameters_of(const Model& network) {
  std::vector<torch::Tensor> parameters;
  for (const torch::Tensor& parameter : network->parameters()) {
    const auto same = [&](const torch::Tensor& other) { return other.is_same(parameter); };
    if (std::none_of(parameters.begin(), parameters.end(), same)) parameters.push_back(parameter);
  }
  return parameters;
}

torch::Tensor wave(std::int64_t count, double step, double start) {
  return (torch::arange(count, torch::kDouble) * step + start).sin();
}

void set_parameters(const Model& network) {
  const torch::NoGradGuard no_grad;
  std::int64_t i = 0;
  for (const torch::Tensor& parameter : parameters_of(network)) {
    parameter.copy_(wave(parameter.numel(), 1.7, 7.0 * static_cast<double>(i++) + 1).reshape(parameter.sizes()) * 0.5);
  }
}

torch::Tensor batch(std::int64_t step, int rank) {
  return wave(kBatch * kWidth, 0.37, static_cast<double>(step) * 1.3 + rank * 2.1)
      .to(torch::kFloat)
      .reshape({kBatch, kWidth});
}

torch::Tensor loss_of(const Output& output, int which) {
  torch::Tensor value = output.left;
  if (const auto right = output.more.find("right"); right != output.more.end()) {
    if (which == 1) value = *right->second;
    if (which == 2) value = value + *right->second;
  }
  return (value - 1).pow(2).mean();
}

c10::intrusive_ptr<c10::ivalue::Future> halve(c10d::ProcessGroup& group, c10d::GradBucket& bucket) {
  std::vector<torch::Tensor> tensors{bucket.getBuffer()};
  return group.allreduce(tensors)->getFuture()->then(
      [size = group.getSize()](c10::ivalue::Future& sum) { return sum.value().toTensorVector()[0].div_(2 * size); },
      c10::TensorType::get());
}

train::CommHook hook_named(const std::string& name) {
  if (name.empty()) return {};
  return name == "fp16" ? &train::fp16_compress : name == "bf16" ? &train::bf16_compress : &halve;
}

std::vector<double> numbers(const std::vector<torch::Tensor>& tensors) {
  std::vector<double> all;
  for (const torch::Tensor& tensor : tensors) {
    const torch::Tensor flat = tensor.detach().to(torch::kDouble).flatten().contiguous();
    all.insert(all.end(), flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel());
  }
  return all;
}

void require_close(const std::vector<double>& found, const Json& expected, const std::string& what) {
  bool close = found.size() == expected.size();
  for (std::size_t i = 0; close && i < found.size(); ++i) {
    const double right = expected[i].get<double>();
    close = std::abs(found[i] - right) <= 1e-5 * std::max(1.0, std::abs(right));
  }
  if (!close) throw std::runtime_error(what + ": " + Json(found).dump() + " instead of " + expected.dump());
}

class Run {
 public:
  Run(train::Context& context, const Json& given)
      : context_(context), given_(given), right_(given.at("ranks").at(static_cast<std::size_t>(context.rank()))) {}

  void train() {
    if (given_.at("join").get<std::string>().empty()) {
      loop();
    } else {
      model_.join([&] { loop(); }, {.divide_by_initial_world_size = given_.at("join") == "initial"});
    }
    require_close(losses_, right_.at("losses"), "losses");
    require_close(evaluations_, right_.at("evaluations"), "evaluations");
    require_close(numbers(parameters_of(network_)), right_.at("parameters"), "parameters at the end");
  }

 private:
  train::DdpOptions options() const {
    train::DdpOptions options;
    options.find_unused_parameters = given_.at("find_unused_parameters");
    options.static_graph = given_.at("static_graph");
    options.broadcast_buffers = given_.at("broadcast_buffers");
    options.comm_hook = hook_named(given_.at("hook"));
    return options;
  }

  // False: it throws because the previous step left its reduction unfinished.
  bool step(std::int64_t number, int which) {
    try {
      const torch::Tensor loss = loss_of(model_(batch(number, context_.rank()), which), which);
      loss.backward();
      losses_.push_back(loss.item<double>());
      return true;
    } catch (const manta::Error& error) {
      const bool unfinished =
          std::string(error.what()).find("Expected to have finished reduction") != std::string::npos;
      if (error.code() != manta::ErrorCode::invalid_argument || !unfinished) throw;
    }
    if (right_.at("throws_at") != number) throw std::runtime_error("it threw at step " + std::to_string(number));
    return false;
  }

  void loop() {
    std::int64_t number = 0;
    for (const Json& each : given_.at("steps").at(static_cast<std::size_t>(context_.rank()))) {
      train::NoSync guard;
      if (!each.at("sync")) guard = model_.no_sync();
      if (!step(number, each.at("which"))) return;
      guard = {};
      if (each.at("sync")) {
        optimizer_.step();
        optimizer_.zero_grad();
      }
      require_close(numbers(network_->buffers()), right_.at("buffers").at(static_cast<std::size_t>(number)),
                    "buffers after step " + std::to_string(number));
      for (const Json& at : given_.at("evaluate_after")) {
        if (at == number) evaluate();
      }
      ++number;
    }
    if (right_.at("throws_at") != -1) throw std::runtime_error("it did not throw");
  }

  void evaluate() {
    const torch::NoGradGuard no_grad;
    network_->eval();
    evaluations_.push_back(model_(batch(100, 0), 2).left.sum().item<double>());
    network_->train();
  }

  train::Context& context_;
  const Json& given_;
  const Json& right_;
  Model network_{given_.at("model").get<std::string>()};
  train::DistributedDataParallel<Model> model_{(set_parameters(network_), network_), context_.process_group(),
                                               options()};
  torch::optim::SGD optimizer_{parameters_of(network_),
                               torch::optim::SGDOptions(0.1).momentum(given_.at("momentum").get<double>())};
  std::vector<double> losses_, evaluations_;
};

void follows(train::Context& context, const std::string& one) {
  at::set_num_threads(1);
  const Json given = Json::parse(one);
  Run(context, given).train();
}

TEST(DdpReference, EveryTrainingIsThatOfPython) {
  const fs::path storage = fs::temp_directory_path() / ("ddp_reference_test." + std::to_string(getpid()));
  const char* path = std::getenv("DDP_REFERENCE");
  ASSERT_NE(path, nullptr) << "the path of ddp_reference.json";
  std::ifstream file(path);
  const Json cases = Json::parse(file);
  ASSERT_GE(cases.size(), 28U);
  for (const Json& one : cases) {
    const int ranks = static_cast<int>(one.at("ranks").size());
    try {
      (void)train::Trainer<follows>({.num_workers = ranks, .cpus_per_worker = 0},
                                    {.storage_path = storage, .tensorboard = false})
          .fit(one.dump());
    } catch (const std::exception& error) {
      ADD_FAILURE() << one.at("name") << ": " << error.what();
    }
  }
  fs::remove_all(storage);
}

}  // namespace
