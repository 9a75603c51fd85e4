#include "training.h"

#include <algorithm>

torch::nn::Sequential make_network() {
  return torch::nn::Sequential(torch::nn::Flatten(), torch::nn::Linear(28 * 28, 128), torch::nn::ReLU(),
                               torch::nn::Linear(128, 10));
}

torch::Tensor flat_parameters(const torch::nn::Module& network) {
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& parameter : network.parameters()) parts.push_back(parameter.detach().flatten());
  return torch::cat(parts);
}

void set_parameters(const torch::nn::Module& network, const torch::Tensor& flat) {
  const torch::NoGradGuard no_grad;
  std::int64_t from = 0;
  for (torch::Tensor& parameter : network.parameters()) {
    parameter.copy_(flat.slice(0, from, from + parameter.numel()).view_as(parameter));
    from += parameter.numel();
  }
}

torch::Tensor flat_gradients(const torch::nn::Module& network) {
  std::vector<torch::Tensor> parts;
  for (const torch::Tensor& parameter : network.parameters()) parts.push_back(parameter.grad().flatten());
  return torch::cat(parts);
}

double accuracy(const torch::Tensor& parameters, const Digits& images) {
  const torch::NoGradGuard no_grad;
  torch::nn::Sequential network = make_network();
  set_parameters(*network, parameters);
  const torch::Tensor found = network->forward(normalised(images.images)).argmax(1);
  return found.eq(images.labels).to(torch::kDouble).mean().item<double>();
}

// What arrives is a view of the sender's memory; what stays is copied.
Shard::Shard(const torch::Tensor& parameters, const Schedule& schedule)
    : parameters_(parameters.clone()),
      velocity_(torch::zeros_like(parameters_)),
      sum_(torch::zeros_like(parameters_)),
      schedule_(schedule) {}

void Shard::push(const torch::Tensor& gradient) {
  sum_ += gradient;
  if (++gradients_ < schedule_.gradients_each) return;
  velocity_.mul_(0.9).add_(sum_, 1.0 / gradients_);
  const double left = 1 - static_cast<double>(updates_++) / static_cast<double>(schedule_.updates);
  parameters_.sub_(velocity_, schedule_.learning_rate * left);
  sum_.zero_();
  gradients_ = 0;
}

Trainer::Trainer(const std::vector<manta::Actor<Shard>>& shards, const Digits& images, std::int64_t first,
                 std::int64_t count, std::int64_t batch_size)
    : shards_(shards), images_(images), batch_size_(batch_size) {
  torch::manual_seed(first);
  order_ = torch::randperm(count).add_(first);
}

double Trainer::train(std::int64_t steps) {
  double sum = 0;
  for (std::int64_t i = 0; i < steps; ++i) sum += step();
  return sum / static_cast<double>(std::max<std::int64_t>(steps, 1));
}

double Trainer::step() {
  std::vector<manta::Ref<torch::Tensor>> parts;
  for (const auto& shard : shards_) parts.push_back(shard.call<&Shard::pull>());  // all servers at once
  const torch::Tensor batch = order_.slice(0, next_, next_ + batch_size_);
  next_ += batch_size_;
  const torch::Tensor pixels = normalised(images_.images.index_select(0, batch));  // while the parameters are under way
  set_parameters(*network_, torch::cat(manta::get(parts)));

  network_->zero_grad();
  const torch::Tensor labels = images_.labels.index_select(0, batch).to(torch::kLong);
  const torch::Tensor loss = torch::cross_entropy_loss(network_->forward(pixels), labels);
  loss.backward();

  // Split as the parameters are.
  const std::vector<torch::Tensor> gradients =
      flat_gradients(*network_).tensor_split(static_cast<std::int64_t>(shards_.size()));
  std::vector<manta::Ref<void>> pushed;
  for (std::size_t i = 0; i < shards_.size(); ++i) pushed.push_back(shards_[i].call<&Shard::push>(gradients[i]));
  manta::get(pushed);
  return loss.item<double>();
}
