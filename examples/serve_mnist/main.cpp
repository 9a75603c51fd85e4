// The network that mnist_data_parallel has trained, behind HTTP: by the Open Inference Protocol of Triton's clients.
//
//   build/release/bin/mnist_data_parallel --data .deps/mnist --workers 2 --name mine
//   build/release/bin/serve_mnist manta_results/mine/checkpoint_000004 --data .deps/mnist --replicas 2
//   curl -s localhost:8000/v2/models/digits
//   examples/serve_mnist/ask.py localhost:8000 .deps/mnist      # all 10,000 test images; needs tritonclient[http]
//
// Ends at SIGINT or SIGTERM, when all that was asked is answered.

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <torch/torch.h>
#include <CLI/CLI.hpp>

#include <manta/manta.h>
#include <manta/serve.h>
#include <manta/serve/torch.h>
#include <manta/train.h>
#include <manta/train/safetensors.h>

#include "examples/mnist_data_parallel/dataset.h"
#include "examples/mnist_data_parallel/training.h"

namespace {

namespace serve = manta::serve;

Network load(const std::string& checkpoint) {
  const auto saved = manta::train::load_safetensors(checkpoint + "/model.safetensors").tensors;
  Network network;
  const torch::NoGradGuard no_grad;
  for (auto& parameter : network->named_parameters()) parameter.value().copy_(saved.at(parameter.key()));
  network->eval();
  return network;
}

// What each replica is.
class DigitModel {
 public:
  explicit DigitModel(const std::string& checkpoint) : network_(load(checkpoint)) {}

  serve::ModelInfo info() const {
    return {.inputs = {{"images", serve::DataType::UINT8, {-1, 28, 28}}},
            .outputs = {{"scores", serve::DataType::FP32, {-1, 10}}},
            .max_batch_size = 256};
  }
  // The images of several requests at once.
  std::vector<manta::Result<serve::InferenceResponse>> operator()(
      const serve::Batch<serve::InferenceRequest>& requests) {
    return serve::infer(requests, info(), [this](const std::vector<torch::Tensor>& inputs) {
      return std::vector<torch::Tensor>{network_(normalised(inputs[0]))};
    });
  }

 private:
  Network network_;
};

double offline_accuracy(const std::string& checkpoint, const std::string& data) {
  const torch::NoGradGuard no_grad;
  Network network = load(checkpoint);
  const auto test = read_digits(data, Part::test);
  std::int64_t right = 0;
  for (std::int64_t from = 0; from < test.size(); from += 500) {
    const std::int64_t to = std::min<std::int64_t>(from + 500, test.size());
    right += network(normalised(test.images.slice(0, from, to)))
                 .argmax(1)
                 .eq(test.labels.slice(0, from, to))
                 .sum()
                 .item<std::int64_t>();
  }
  return static_cast<double>(right) / static_cast<double>(test.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::string checkpoint, data = ".deps/mnist";
  serve::HttpOptions http;
  int replicas = 2;
  CLI::App app("The network that mnist_data_parallel has trained, behind HTTP.");
  app.option_defaults()->always_capture_default();
  app.add_option("checkpoint", checkpoint, "Folder of the checkpoint")->required()->check(CLI::ExistingDirectory);
  app.add_option("--data", data, "Folder with the four idx files of MNIST");
  app.add_option("--port", http.port, "0: any");
  app.add_option("--replicas", replicas, "Processes with a copy of the network each")->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  try {
    auto runtime = manta::init(argc, argv);
    std::printf("accuracy on the test images, without HTTP: %.2f %%\n", 100 * offline_accuracy(checkpoint, data));
    auto server =
        serve::run(serve::deployment<DigitModel>({.name = "digits", .num_replicas = replicas}, checkpoint), http);
    std::printf("http://%s/v2/models/digits\n", server.address().c_str());
    std::fflush(stdout);
    server.wait();
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "serve_mnist: %s\n", error.what_without_backtrace());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "serve_mnist: %s\n", error.what());
    return 1;
  }
  return 0;
}
