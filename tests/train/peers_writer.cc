// peers_writer FOLDER: writes files that peers_test.py reads with other programs' readers.
// peers_writer --read FILE: prints the contents of a safetensors file.
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string_view>

#include <torch/torch.h>

#include <manta/report/result_log.h>
#include <manta/report/tensorboard.h>
#include <manta/train/checkpoint.h>
#include <manta/train/safetensors.h>

namespace {

void read(const std::filesystem::path& path) {
  const manta::train::SafeTensors file = manta::train::load_safetensors(path);
  for (const auto& [name, tensor] : file.tensors) {
    std::printf("%s %s %s %g\n", name.c_str(), c10::toString(tensor.scalar_type()), c10::str(tensor.sizes()).c_str(),
                tensor.to(torch::kDouble).sum().item<double>());
  }
  for (const auto& [key, text] : file.metadata) std::printf("%s %s\n", key.c_str(), text.c_str());
}

void write(const std::filesystem::path& folder) {
  torch::nn::Sequential network(torch::nn::Linear(3, 2), torch::nn::BatchNorm1d(2));
  manta::train::State state;
  torch::optim::Adam optimizer(network->parameters(), torch::optim::AdamOptions(0.01));
  network->forward(torch::ones({4, 3})).sum().backward();
  optimizer.step();
  state.add("model", *network).add("optimizer", optimizer);
  {
    const torch::NoGradGuard guard;
    network[0]->as<torch::nn::Linear>()->weight.copy_(torch::arange(6).reshape({2, 3}).mul(0.5));
  }
  manta::train::Checkpoint::save(folder / "checkpoint", state, {.metrics = {{"loss", 0.25}}, .step = 7});

  manta::train::NamedTensors tensors{{"scalar", torch::tensor(0.1, torch::kDouble)}, {"empty", torch::empty({0, 3})}};
  for (const auto type : {torch::kBool, torch::kByte, torch::kChar, torch::kShort, torch::kUInt16, torch::kInt,
                          torch::kLong, torch::kHalf, torch::kFloat, torch::kDouble}) {
    tensors[c10::toString(type)] = torch::tensor({0, 1, 1, 0, 1}).to(type);
  }
  manta::train::save_safetensors(folder / "types.safetensors", tensors, {{"format", "pt"}});

  manta::train::TensorBoardWriter board(folder / "board");
  for (int step = 0; step < 5; ++step) board.add_scalar("train/loss", 1.0 / (1 + step), step * 1000);
  board.add_scalar("nan", NAN, 1);
  board.add_text("note", "*hello* wörld", 3);

  manta::train::ResultLog log(folder / "log");
  log.add({{"loss", 0.5}});
  log.add({{"loss", NAN}, {"accuracy", 0.9}});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string_view(argv[1]) == "--read") {
      read(argv[2]);
    } else if (argc == 2) {
      write(argv[1]);
    } else {
      return 2;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "peers_writer: %s\n", error.what());
    return 1;
  }
  return 0;
}
