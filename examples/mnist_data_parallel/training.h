// The training itself: what each worker runs.
#pragma once

#include <cstdint>

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>
#include <manta/train.h>

#include "dataset.h"

// Two convolutions and two linear layers: 81,194 parameters.
struct NetworkImpl : torch::nn::Module {
  NetworkImpl();
  torch::Tensor forward(torch::Tensor x);  // [N, 1, 28, 28] to scores [N, 10]

  torch::nn::Conv2d conv1, conv2;
  torch::nn::Linear linear1, linear2;
};
TORCH_MODULE(Network);

struct Settings {
  std::int64_t epochs = 5;
  std::int64_t batch_size = 64;  // over all workers
  double learning_rate = 0.05;   // of the first step; it falls to 0 in a straight line
  std::uint64_t seed = 1;
};

// Reports, from rank 0: each step `epoch`, `step` (of the whole training), `images` (seen so far), `loss`; after each
// epoch `epoch`, `step`, `accuracy` on the test images, with a checkpoint.
void train_network(manta::train::Context& context, const Settings& settings, const Digits& train, const Digits& test);

std::int64_t steps_in_all(const Settings& settings, std::int64_t images, int workers);

// Share of the images that the network recognises, each worker counting a part of them.
double accuracy(manta::train::Context& context, Network& network, const Digits& digits);
