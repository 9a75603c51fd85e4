// A small training for the tests: a convolutional network on synthetic images, with all parts of a State.
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

// The course of a training, including its failures.
struct Course {
  std::int64_t steps = 30;
  std::int64_t batch = 24;  // of all workers together
  std::int64_t checkpoint_each = 10;
  std::int64_t bucket_bytes = 25 << 20;
  double learning_rate = 0.05;
  bool dropout = false;       // uses the generator that checkpoints keep
  std::int64_t dies_at = -1;  // step at which dying_rank is killed, in the first attempt
  std::int64_t dying_rank = 1;
  bool dies_always = false;     // in each attempt
  std::int64_t throws_at = -1;  // step at which rank 0 throws
};

// The loop: reports loss and step at each step, with a checkpoint every checkpoint_each steps and at the end.
void train_small(manta::train::Context& context, const Course& course, const Images& images);
// The same in one process, using only the sampler of manta::train.
SmallNetwork train_alone(const Course& course, const Images& images);

// The largest relative error (2-norm) of a parameter.
double distance(const SmallNetwork& network, const SmallNetwork& other);
SmallNetwork network_of(const manta::train::Checkpoint& checkpoint);
