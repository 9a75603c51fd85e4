// manta serve model.pt --name digits: a TorchScript model behind the Open Inference Protocol, until SIGINT or SIGTERM;
// SIGHUP reloads the file, replica by replica, and loses no request.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <manta/manta.h>
#include <manta/serve.h>
#include <manta/serve/torch.h>
#include <CLI/CLI.hpp>

namespace {

namespace serve = manta::serve;

struct Options {
  std::string file;
  serve::DeploymentOptions deployment;
  serve::HttpOptions http;
  std::int64_t batch_wait_us = 0;
  int max_batch_size = 0;
  std::vector<std::string> inputs, outputs;
};

// NAME:TYPE:SIZE,SIZE,...
serve::TensorInfo tensor_info(const std::string& text) {
  const std::size_t type = text.find(':'), shape = text.find(':', type + 1);
  serve::TensorInfo info{.name = text.substr(0, type)};
  const bool good = type != std::string::npos && shape != std::string::npos && !info.name.empty() &&
                    serve::from_string(text.substr(type + 1, shape - type - 1), info.type.emplace());
  const auto refuse = [&] {
    throw manta::Error(manta::ErrorCode::invalid_argument,
                       "'" + text + "' is not NAME:TYPE:SIZES, as x:FP32:-1,64 (-1: any size)");
  };
  if (!good) refuse();
  std::string sizes = text.substr(shape + 1);
  while (!sizes.empty()) {
    std::size_t used = 0;
    try {
      info.shape.push_back(std::stoll(sizes, &used));
    } catch (const std::exception&) {
      refuse();
    }
    if (used < sizes.size() && sizes[used] != ',') refuse();
    sizes.erase(0, used + 1);
  }
  return info;
}

void run(const Options& options) {
  serve::ModelInfo info;
  for (const std::string& text : options.inputs) info.inputs.push_back(tensor_info(text));
  for (const std::string& text : options.outputs) info.outputs.push_back(tensor_info(text));
  info.max_batch_size = options.max_batch_size;
  serve::DeploymentOptions deployment = options.deployment;
  deployment.max_batch_size = std::max(options.max_batch_size, 1);
  const auto model = serve::deployment<serve::TorchScriptModel>(deployment, options.file, info);
  serve::Server server(options.http);
  server.run(model);
  const std::string& name = options.deployment.name;
  const int replicas = options.deployment.num_replicas;
  const auto say = [&] {
    std::printf("%s: http://%s/v2/models/%s (%d %s)\n", options.file.c_str(), server.address().c_str(), name.c_str(),
                replicas, replicas == 1 ? "replica" : "replicas");
    std::fflush(stdout);
  };
  const auto load_anew = [&] {
    try {
      server.run(model);
      std::printf("%s: loaded anew\n", options.file.c_str());
    } catch (const manta::Error& error) {
      std::printf("%s: not loaded anew: %s\n", options.file.c_str(), error.what());
    }
    std::fflush(stdout);
  };
  server.wait({.on_ready = say, .on_hang_up = load_anew});
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  serve::DeploymentOptions& deployment = options.deployment;
  CLI::App app("Manta's command line.");
  app.require_subcommand(1);
  CLI::App* command =
      app.add_subcommand("serve", "Serve a TorchScript model over HTTP (Open Inference Protocol, version 2)");
  command->option_defaults()->always_capture_default();
  command->add_option("model", options.file, "File that torch.jit.save wrote")->required()->check(CLI::ExistingFile);
  command->add_option("--name", deployment.name, "Of the model, in /v2/models/NAME; else the file's");
  command->add_option("--model-version", deployment.version, "Of the model, as clients see it");
  command->add_option("--host", options.http.host, "Address to listen at; 0.0.0.0: all");
  command->add_option("--port", options.http.port, "0: any");
  command->add_option("--replicas", deployment.num_replicas, "Processes with a copy of the model each")
      ->check(CLI::Range(1, 256));
  command->add_option("--cpus", deployment.num_cpus, "CPUs of each replica, and its threads")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--gpus", deployment.num_gpus, "GPUs of each replica; 0.5: half of one")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--max-batch-size", options.max_batch_size,
                   "Samples computed together, of any requests; 0: each request by itself. Above 0 it says that "
                   "dimension 0 of all inputs and outputs counts samples, none of which affects the others' results")
      ->check(CLI::Range(0, 65'536));
  command
      ->add_option("--batch-wait-us", options.batch_wait_us,
                   "How long a request may wait for others, while a replica is free")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--max-queued", deployment.max_queued_requests, "Requests that may wait; others get 503")
      ->check(CLI::PositiveNumber);
  command->add_option("--input", options.inputs, "NAME:TYPE:SIZES of each input, to be checked: x:FP32:-1,64");
  command->add_option("--output", options.outputs, "NAME:TYPE:SIZES of each output");
  command->add_option("--access-log", options.http.access_log, "A file; -: standard output");
  CLI11_PARSE(app, argc, argv);
  deployment.batch_wait = std::chrono::microseconds(options.batch_wait_us);
  if (deployment.name.empty()) deployment.name = std::filesystem::path(options.file).stem().string();

  try {
    auto runtime = manta::init(argc, argv);
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "manta serve: %s\n", error.what());
    return 1;
  }
  return 0;
}
