#include <manta/rl/networks.h>

#include <cmath>
#include <numbers>
#include <string>
#include <variant>

#include <ATen/CPUGeneratorImpl.h>

#include <manta/error.h>

namespace manta::rl {
namespace {

// As torch.nn.init.orthogonal_, but from a generator of one's own.
void make_orthogonal(torch::Tensor& weight, double gain, const at::Generator& generator) {
  const torch::NoGradGuard no_grad;
  const std::int64_t rows = weight.size(0), columns = weight.size(1);
  const torch::Tensor random =
      at::randn({std::max(rows, columns), std::min(rows, columns)}, generator, weight.options());
  auto [q, r] = at::linalg_qr(random);
  q.mul_(r.diagonal().sign());
  weight.copy_(rows < columns ? q.t() : q).mul_(gain);
}

}  // namespace

// torch::nn::Linear would draw its first weights from torch's own generator.
MlpImpl::Layer::Layer(std::int64_t inputs, std::int64_t outputs, double gain, const at::Generator& generator) {
  weight = register_parameter("weight", torch::empty({outputs, inputs}));
  bias = register_parameter("bias", torch::zeros({outputs}));
  make_orthogonal(weight, gain, generator);
}

MlpImpl::MlpImpl(std::int64_t inputs, std::int64_t outputs, double output_gain, const NetworkOptions& options,
                 const at::Generator& generator)
    : activation_(options.activation) {
  for (const std::int64_t size : options.hidden_sizes) {
    if (size < 1) {
      throw Error(ErrorCode::invalid_argument, "NetworkOptions::hidden_sizes has " + std::to_string(size) +
                                                   ". Next: give each layer at least one output.");
    }
    layers_.push_back(std::make_shared<Layer>(inputs, size, std::numbers::sqrt2, generator));
    inputs = size;
  }
  layers_.push_back(std::make_shared<Layer>(inputs, outputs, output_gain, generator));
  for (std::size_t i = 0; i < layers_.size(); ++i) register_module(std::to_string(2 * i), layers_[i]);
}

torch::Tensor MlpImpl::forward(const torch::Tensor& input) {
  torch::Tensor x = input;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = at::linear(x, layers_[i]->weight, layers_[i]->bias);
    if (i + 1 < layers_.size()) x = activation_ == Activation::tanh ? x.tanh() : x.relu();
  }
  return x;
}

ActionShape::ActionShape(const ActionSpace& space) {
  if (const auto* choice = std::get_if<Discrete>(&space)) {
    size = choice->n;
  } else {
    discrete = false;
    size = static_cast<std::int64_t>(std::get<Box>(space).low.size());
  }
  if (size < 1)
    throw Error(ErrorCode::invalid_argument, "an action space without actions. Next: give it one at least.");
}

ActorCriticImpl::ActorCriticImpl(std::int64_t observation_size, const ActionSpace& actions,
                                 const NetworkOptions& options, std::uint64_t seed)
    : shape_(actions) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  actor = register_module("actor", Mlp(observation_size, shape_.size, 0.01, options, generator));
  critic = register_module("critic", Mlp(observation_size, 1, 1.0, options, generator));
  if (!shape_.discrete) log_std = register_parameter("log_std", torch::zeros({shape_.size}));
}

ActorCriticImpl::Evaluation ActorCriticImpl::evaluate(const torch::Tensor& output, const torch::Tensor& actions) const {
  if (shape_.discrete) {
    const torch::Tensor log_p = output.log_softmax(-1);
    return {log_p.gather(-1, actions.unsqueeze(-1)).squeeze(-1), -(log_p.exp() * log_p).sum(-1)};
  }
  const double half_log_two_pi = 0.5 * std::log(2 * std::numbers::pi);
  const torch::Tensor distance = (actions - output) * (-log_std).exp();
  return {(-0.5 * distance.square() - log_std - half_log_two_pi).sum(-1),
          (log_std + (0.5 + half_log_two_pi)).sum().expand({output.size(0)})};
}

}  // namespace manta::rl
