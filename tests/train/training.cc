#include "tests/train/training.h"

#include <csignal>
#include <stdexcept>

namespace {

torch::Tensor loss_of(const torch::Tensor& scores, const Images& images, const torch::Tensor& indices) {
  return torch::cross_entropy_loss(scores, images.labels.index_select(0, indices));
}

torch::Tensor batch_of(const Course& course, const Images& images, const torch::Tensor& indices) {
  const torch::Tensor pixels = images.pixels.index_select(0, indices);
  return course.dropout ? torch::dropout(pixels, 0.2, true) : pixels;
}

torch::optim::SGD optimizer_of(const Course& course, const SmallNetwork& network) {
  return torch::optim::SGD(network->parameters(), torch::optim::SGDOptions(course.learning_rate).momentum(0.9));
}

torch::Tensor next_batch(manta::train::DistributedSampler& sampler, std::int64_t batch) {
  while (true) {
    if (auto indices = sampler.next(batch)) return *indices;
    sampler.next_epoch();
  }
}

void maybe_fail(const manta::train::Context& context, const Course& course, std::int64_t step) {
  if (step == course.dies_at && context.rank() == course.dying_rank &&
      (course.dies_always || context.restarts() == 0)) {
    std::raise(SIGKILL);
  }
  if (step == course.throws_at && context.rank() == 0) throw std::domain_error("a bad batch");
}

}  // namespace

Images made_up_images(std::int64_t count) {
  torch::manual_seed(3);
  return {torch::randn({count, 1, 8, 8}), torch::randint(10, {count}, torch::kLong)};
}

SmallNetworkImpl::SmallNetworkImpl()
    : conv(register_module("conv", torch::nn::Conv2d(1, 6, 3))),
      hidden(register_module("hidden", torch::nn::Linear(6 * 6 * 6, 24))),
      out(register_module("out", torch::nn::Linear(24, 10))) {}

torch::Tensor SmallNetworkImpl::forward(torch::Tensor x) {
  return out(torch::relu(hidden(torch::relu(conv(x)).flatten(1))));
}

void train_small(manta::train::Context& context, const Course& course, const Images& images) {
  torch::manual_seed(5);
  SmallNetwork network;
  manta::train::DistributedDataParallel model(
      network, context.process_group(),
      {.bucket_bytes = course.bucket_bytes, .first_bucket_bytes = course.bucket_bytes});
  torch::optim::SGD optimizer = optimizer_of(course, network);
  manta::train::DistributedSampler sampler(images.size(),
                                           {.num_replicas = context.world_size(), .rank = context.rank(), .seed = 9});
  std::int64_t step = 0;
  manta::train::State state;
  state.add("model", *network);
  state.add("optimizer", optimizer);
  state.add("sampler", sampler);
  state.add("step", step);
  context.resume(state);
  while (step < course.steps) {
    maybe_fail(context, course, step);
    const torch::Tensor indices = next_batch(sampler, course.batch / context.world_size());
    optimizer.zero_grad();
    const torch::Tensor loss = loss_of(model(batch_of(course, images, indices)), images, indices);
    loss.backward();
    optimizer.step();
    ++step;
    const manta::train::Metrics metrics{{"step", static_cast<double>(step)}, {"loss", loss.item<double>()}};
    if (step % course.checkpoint_each == 0 || step == course.steps) {
      context.report(metrics, state);
    } else {
      context.report(metrics);
    }
  }
}

SmallNetwork train_alone(const Course& course, const Images& images) {
  torch::manual_seed(5);
  SmallNetwork network;
  torch::optim::SGD optimizer = optimizer_of(course, network);
  manta::train::DistributedSampler sampler(images.size(), {.seed = 9});
  for (std::int64_t step = 0; step < course.steps; ++step) {
    const torch::Tensor indices = next_batch(sampler, course.batch);
    optimizer.zero_grad();
    loss_of(network(batch_of(course, images, indices)), images, indices).backward();
    optimizer.step();
  }
  return network;
}

double distance(const SmallNetwork& network, const SmallNetwork& other) {
  const torch::NoGradGuard no_grad;
  const auto left = network->parameters(), right = other->parameters();
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    largest = std::max(largest, ((left[i] - right[i]).norm() / right[i].norm()).item<double>());
  }
  return largest;
}

SmallNetwork network_of(const manta::train::Checkpoint& checkpoint) {
  SmallNetwork network;
  manta::train::State state;
  state.add("model", *network);
  checkpoint.restore(state);
  return network;
}
