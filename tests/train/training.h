// A small training for the tests: a convolutional network on made-up images, with everything that a State holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>
#include <manta/train/distributed_data_parallel.h>
#include <manta/train/sampler.h>
#include <manta/train/trainer.h>

struct Images {
  torch::Tensor pixels;  // [N, 1, 8, 8]
  torch::Tensor labels;  // [N]
  std::int64_t size() const { return labels.size(0); }
};
Images made_up_images(std::int64_t count);

struct SmallNetworkImpl : torch::nn::Module {
  SmallNetworkImpl();
  torch::Tensor forward(torch::Tensor x);

  torch::nn::Conv2d conv;
  torch::nn::Linear hidden, out;
};
TORCH_MODULE(SmallNetwork);

// What happens in a training, and what goes wrong in it.
struct Course {
  std::int64_t steps = 30;
  std::int64_t batch = 24;  // over all workers
  std::int64_t checkpoint_each = 10;
  std::int64_t bucket_bytes = 25 << 20;
  double learning_rate = 0.05;
  bool dropout = false;       // uses the generator that checkpoints keep
  std::int64_t dies_at = -1;  // step at which dying_rank is killed, in the first attempt
  std::int64_t dying_rank = 1;
  bool dies_always = false;     // in each attempt
  std::int64_t throws_at = -1;  // step at which rank 0 throws
};

// The loop: reports loss and step each step, a checkpoint each checkpoint_each steps and at the end.
void train_small(manta::train::Context& context, const Course& course, const Images& images);
// The same on one process, without anything of manta::train but the sampler.
SmallNetwork train_alone(const Course& course, const Images& images);

// The largest relative error (2-norm) of a parameter.
double distance(const SmallNetwork& network, const SmallNetwork& other);
SmallNetwork network_of(const manta::train::Checkpoint& checkpoint);
