// Data-parallel training: each step, tasks compute gradients on their parts of a batch; the program adds and applies them.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

#include "dataset.h"

// Two convolutions and a linear layer: 18,378 parameters.
struct NetworkImpl : torch::nn::Module {
  NetworkImpl();
  torch::Tensor forward(torch::Tensor x);  // [N, 1, 28, 28] to scores [N, 10]

  torch::nn::Conv2d conv1, conv2;
  torch::nn::Linear linear;
};
TORCH_MODULE(Network);

struct Gradients {
  std::vector<torch::Tensor> values;  // in the order of Network's parameters
  double loss = 0;
};

// What a worker does in a step: gradients and loss of the images at `indices` [M], int64, as their part of a batch of
// batch_size images: sums over the parts are those of the whole batch.
Gradients compute_gradients(const std::vector<torch::Tensor>& parameters, const Digits& digits,
                            const torch::Tensor& indices, std::int64_t batch_size);

// Number of images from begin to end (not included) that a network of these parameters recognises.
std::int64_t count_correct(const std::vector<torch::Tensor>& parameters, const Digits& digits, std::int64_t begin,
                           std::int64_t end);

// One step of synchronous gradient descent on the images at `indices`, cut into one part for each worker. Returns the
// mean loss. The sums are made in the order of the parts, so that the result does not depend on who is faster.
double train_step(Network& network, torch::optim::Optimizer& optimizer, const manta::Ref<Digits>& digits,
                  const torch::Tensor& indices, int workers);

// Share of the images that the network recognises, counted by tasks of 1,000 images.
double accuracy(Network& network, const manta::Ref<Digits>& digits, std::int64_t count);
