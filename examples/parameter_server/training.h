// The two actors, and the network that they train.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

#include "../mnist_data_parallel/dataset.h"

// Two linear layers: 101,770 parameters.
torch::nn::Sequential make_network();

// Parameters as one vector, and back. Gradients likewise.
torch::Tensor flat_parameters(const torch::nn::Module& network);
void set_parameters(const torch::nn::Module& network, const torch::Tensor& flat);
torch::Tensor flat_gradients(const torch::nn::Module& network);

// Share of the images that a network with these parameters recognises.
double accuracy(const torch::Tensor& parameters, const Digits& images);

struct Schedule {
  double learning_rate = 0;  // of the first update; it falls to 0 in a straight line
  std::int64_t updates = 0;  // in all
  int gradients_each = 1;    // whose mean is an update
};

// A server: holds a part of the parameters. SGD with momentum.
class Shard {
 public:
  Shard(const torch::Tensor& parameters, const Schedule& schedule);
  torch::Tensor pull() const { return parameters_; }
  void push(const torch::Tensor& gradient);

 private:
  torch::Tensor parameters_, velocity_, sum_;
  Schedule schedule_;
  std::int64_t updates_ = 0;
  int gradients_ = 0;  // in sum_
};

// A worker: computes gradients on its part of the images.
class Trainer {
 public:
  Trainer(const std::vector<manta::Actor<Shard>>& shards, const Digits& images, std::int64_t first, std::int64_t count,
          std::int64_t batch_size);
  // So many batches, the next ones of its part. Returns their mean loss; by then the servers have all gradients.
  double train(std::int64_t steps);

 private:
  double step();

  std::vector<manta::Actor<Shard>> shards_;
  Digits images_;
  torch::nn::Sequential network_ = make_network();
  torch::Tensor order_;  // of its images, random
  std::int64_t batch_size_, next_ = 0;
};
