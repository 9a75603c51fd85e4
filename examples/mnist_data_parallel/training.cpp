#include "training.h"

#include <algorithm>

NetworkImpl::NetworkImpl()
    : conv1(register_module("conv1", torch::nn::Conv2d(1, 16, 5))),
      conv2(register_module("conv2", torch::nn::Conv2d(16, 32, 5))),
      linear1(register_module("linear1", torch::nn::Linear(32 * 4 * 4, 128))),
      linear2(register_module("linear2", torch::nn::Linear(128, 10))) {}

torch::Tensor NetworkImpl::forward(torch::Tensor x) {
  x = torch::max_pool2d(conv1(x), 2).relu_();  // pooling first: relu then has a quarter to do
  x = torch::max_pool2d(conv2(x), 2).relu_();
  return linear2(linear1(x.flatten(1)).relu_());
}

namespace {

std::int64_t share_of(const Settings& settings, int workers) {
  return std::max<std::int64_t>(settings.batch_size / workers, 1);
}

}  // namespace

std::int64_t steps_in_all(const Settings& settings, std::int64_t images, int workers) {
  return settings.epochs *
         manta::train::DistributedSampler(images, {.num_replicas = workers}).steps(share_of(settings, workers));
}

double accuracy(manta::train::Context& context, Network& network, const Digits& digits) {
  const torch::NoGradGuard no_grad;
  const std::int64_t begin = digits.size() * context.rank() / context.world_size();
  const std::int64_t end = digits.size() * (context.rank() + 1) / context.world_size();
  std::vector<torch::Tensor> correct{torch::zeros({1}, torch::kLong)};
  for (std::int64_t from = begin; from < end; from += 500) {
    const std::int64_t to = std::min(from + 500, end);
    const torch::Tensor found = network(normalised(digits.images.slice(0, from, to))).argmax(1);
    correct[0] += found.eq(digits.labels.slice(0, from, to)).sum();
  }
  context.process_group()->allreduce(correct)->wait();
  return correct[0].item<double>() / static_cast<double>(digits.size());
}

void train_network(manta::train::Context& context, const Settings& settings, const Digits& train, const Digits& test) {
  torch::manual_seed(settings.seed);
  Network network;
  manta::train::DistributedDataParallel model(network, context.process_group());
  torch::optim::SGD optimizer(network->parameters(), torch::optim::SGDOptions(settings.learning_rate).momentum(0.9));
  manta::train::DistributedSampler sampler(
      train.size(), {.num_replicas = context.world_size(), .rank = context.rank(), .seed = settings.seed});
  std::int64_t step = 0;
  manta::train::State state;
  state.add("model", *network);
  state.add("optimizer", optimizer);
  state.add("sampler", sampler);
  state.add("step", step);
  context.resume(state);

  const std::int64_t share = share_of(settings, context.world_size());
  const std::int64_t steps = steps_in_all(settings, train.size(), context.world_size());
  while (sampler.epoch() < settings.epochs) {
    const auto epoch = static_cast<double>(sampler.epoch() + 1);
    while (const auto indices = sampler.next(share)) {
      const double left = 1 - static_cast<double>(step) / static_cast<double>(steps);
      optimizer.param_groups()[0].options().set_lr(settings.learning_rate * left);
      const torch::Tensor scores = model(normalised(train.images.index_select(0, *indices)));
      const torch::Tensor loss =
          torch::cross_entropy_loss(scores, train.labels.index_select(0, *indices).to(torch::kLong));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      ++step;
      context.report({{"epoch", epoch},
                      {"step", static_cast<double>(step)},
                      {"images", static_cast<double>(step * share * context.world_size())},
                      {"loss", loss.item<double>()}});
    }
    sampler.next_epoch();
    const double right = accuracy(context, network, test);
    context.report({{"epoch", epoch}, {"step", static_cast<double>(step)}, {"accuracy", right}}, state);
  }
}
