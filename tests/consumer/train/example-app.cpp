#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <torch/torch.h>

#include <manta/train/checkpoint.h>

int main() {
  std::string folder = std::filesystem::temp_directory_path() / "manta_consumer_XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  torch::nn::Linear network(3, 1);
  torch::nn::init::constant_(network->weight, 2);
  manta::train::State state;
  state.add("model", *network);
  const auto saved = manta::train::Checkpoint::save(folder + "/checkpoint", state);
  torch::nn::init::zeros_(network->weight);
  saved.restore(state);
  std::cout << "consumer: " << network->weight.sum().item<float>() << std::endl;
  std::filesystem::remove_all(folder);
}
