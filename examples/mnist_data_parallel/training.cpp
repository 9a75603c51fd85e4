#include "training.h"

#include <algorithm>

namespace {

// The worker's own network, made once in each process, with these parameters.
Network& replica(const std::vector<torch::Tensor>& parameters) {
  static Network network;
  const torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> own = network->parameters();
  TORCH_CHECK(own.size() == parameters.size(), parameters.size(), " parameters for a network of ", own.size());
  for (std::size_t i = 0; i < own.size(); ++i) own[i].copy_(parameters[i]);
  return network;
}

}  // namespace

NetworkImpl::NetworkImpl()
    : conv1(register_module("conv1", torch::nn::Conv2d(1, 16, 5))),
      conv2(register_module("conv2", torch::nn::Conv2d(16, 32, 5))),
      linear(register_module("linear", torch::nn::Linear(32 * 4 * 4, 10))) {}

torch::Tensor NetworkImpl::forward(torch::Tensor x) {
  x = torch::max_pool2d(conv1(x), 2).relu_();  // pooling first: relu then has a quarter to do
  x = torch::max_pool2d(conv2(x), 2).relu_();
  return linear(x.flatten(1));
}

Gradients compute_gradients(const std::vector<torch::Tensor>& parameters, const Digits& digits,
                            const torch::Tensor& indices, std::int64_t batch_size) {
  Network& network = replica(parameters);
  network->zero_grad();
  const torch::Tensor scores = network(normalised(digits.images.index_select(0, indices)));
  const torch::Tensor labels = digits.labels.index_select(0, indices).to(torch::kLong);
  const torch::Tensor loss =
      torch::cross_entropy_loss(scores, labels, {}, at::Reduction::Sum) / static_cast<double>(batch_size);
  loss.backward();
  Gradients gradients;
  for (const torch::Tensor& parameter : network->parameters()) gradients.values.push_back(parameter.grad());
  gradients.loss = loss.item<double>();
  return gradients;
}

std::int64_t count_correct(const std::vector<torch::Tensor>& parameters, const Digits& digits, std::int64_t begin,
                           std::int64_t end) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor scores = replica(parameters)(normalised(digits.images.slice(0, begin, end)));
  return scores.argmax(1).eq(digits.labels.slice(0, begin, end)).sum().item<std::int64_t>();
}

double train_step(Network& network, torch::optim::Optimizer& optimizer, const manta::Ref<Digits>& digits,
                  const torch::Tensor& indices, int workers) {
  const auto parameters = manta::put(network->parameters());  // once, for all parts
  std::vector<manta::Ref<Gradients>> parts;
  for (const torch::Tensor& part : indices.tensor_split(workers)) {
    if (part.size(0) == 0) continue;  // fewer images than workers
    parts.push_back(manta::remote<compute_gradients>(parameters, digits, part, indices.size(0)));
  }
  optimizer.zero_grad();
  double loss = 0;
  for (const manta::Ref<Gradients>& part : parts) {
    const Gradients gradients = manta::get(part);
    loss += gradients.loss;
    std::size_t i = 0;
    for (torch::Tensor& parameter : network->parameters()) {
      torch::Tensor& sum = parameter.mutable_grad();
      const torch::Tensor& gradient = gradients.values[i++];
      sum = sum.defined() ? sum.add_(gradient) : gradient.clone();
    }
  }
  optimizer.step();
  return loss;
}

double accuracy(Network& network, const manta::Ref<Digits>& digits, std::int64_t count) {
  const auto parameters = manta::put(network->parameters());
  std::vector<manta::Ref<std::int64_t>> counts;
  for (std::int64_t begin = 0; begin < count; begin += 1000) {
    counts.push_back(manta::remote<count_correct>(parameters, digits, begin, std::min(begin + 1000, count)));
  }
  std::int64_t correct = 0;
  for (const auto& ref : manta::as_completed(counts)) correct += manta::get(ref);
  return static_cast<double>(correct) / static_cast<double>(count);
}
