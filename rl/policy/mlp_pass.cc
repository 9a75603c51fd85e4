#include "rl/policy/mlp_pass.h"

#include <utility>

namespace manta::rl::detail {
namespace {

std::vector<std::int64_t> sizes_of(const MlpImpl& network) {
  std::vector<std::int64_t> sizes{network.layers().front()->weight.size(1)};
  for (const auto& layer : network.layers()) sizes.push_back(layer->weight.size(0));
  return sizes;
}

}  // namespace

MlpPass::MlpPass(Mlp network, const Kernels& kernels)
    : network_(std::move(network)), perceptron_(sizes_of(*network_), network_->activation(), kernels) {}

void MlpPass::refresh() {
  for (std::size_t i = 0; i < network_->layers().size(); ++i) {
    const auto& layer = *network_->layers()[i];
    perceptron_.set_layer(i, layer.weight.const_data_ptr<float>(), layer.bias.const_data_ptr<float>());
  }
}

torch::Tensor MlpPass::forward(const torch::Tensor& input) {
  torch::Tensor output = at::empty({input.size(0), network_->layers().back()->weight.size(0)}, at::kFloat);
  perceptron_.forward(input.const_data_ptr<float>(), input.size(0), output.mutable_data_ptr<float>());
  return output;
}

void MlpPass::backward(const torch::Tensor& gradient) {
  const torch::Tensor rows = gradient.contiguous();
  perceptron_.backward(rows.const_data_ptr<float>());
  for (std::size_t i = 0; i < network_->layers().size(); ++i) {
    const auto& layer = *network_->layers()[i];
    perceptron_.add_gradients(i, layer.weight.grad().mutable_data_ptr<float>(),
                              layer.bias.grad().mutable_data_ptr<float>());
  }
}

}  // namespace manta::rl::detail
