// DistributedDataParallel in the workers of a training. A loop throws what it finds wrong, and fit() throws it here.
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using ::testing::HasSubstr;

void require(bool right, const std::string& what) {
  if (!right) throw std::runtime_error("not so: " + what);
}

torch::Tensor mean_over_ranks(const train::Context& context, const torch::Tensor& value) {
  std::vector<torch::Tensor> sum{value.clone()};
  context.process_group()->allreduce(sum)->wait();
  return sum[0] / context.world_size();
}

class Ddp : public ::testing::Test {
 protected:
  Ddp() { storage_ = fs::temp_directory_path() / ("ddp_test." + std::to_string(getpid())); }
  ~Ddp() override { fs::remove_all(storage_); }

  template <auto Loop>
  void run(int workers = 2) const {
    (void)train::Trainer<Loop>({.num_workers = workers}, {.storage_path = storage_, .tensorboard = false}).fit();
  }

  fs::path storage_;
};

void gives_all_the_first_ranks_network(train::Context& context) {
  torch::manual_seed(100 + context.rank());
  SmallNetwork network;
  const torch::Tensor before = network->out->weight.detach().clone();
  train::DistributedDataParallel model(network, context.process_group());
  const torch::Tensor mean = mean_over_ranks(context, network->out->weight.detach());
  require(mean.equal(network->out->weight), "all have the same parameters");
  require(before.equal(network->out->weight) == (context.rank() == 0), "they are rank 0's");
}
TEST_F(Ddp, StartsFromTheFirstRanksNetwork) { run<gives_all_the_first_ranks_network>(); }

void averages_gradients(train::Context& context) {
  torch::manual_seed(1);
  SmallNetwork network, alone;
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < alone->parameters().size(); ++i) alone->parameters()[i].copy_(network->parameters()[i]);
  }
  train::DistributedDataParallel model(network, context.process_group());
  for (int step = 0; step < 3; ++step) {  // the second rebuilds the buckets
    torch::manual_seed(10 * step + context.rank());
    const torch::Tensor pixels = torch::randn({4, 1, 8, 8});
    network->zero_grad();
    alone->zero_grad();
    model(pixels).pow(2).sum().backward();
    alone(pixels).pow(2).sum().backward();
    for (std::size_t i = 0; i < alone->parameters().size(); ++i) {
      const torch::Tensor mean = mean_over_ranks(context, alone->parameters()[i].grad());
      require(network->parameters()[i].grad().allclose(mean, 1e-5, 1e-7), "a gradient is the mean over the ranks");
    }
  }
}
TEST_F(Ddp, GradientsAreTheMeanOverTheRanks) {
  run<averages_gradients>(2);
  run<averages_gradients>(1);
}

void gathers_without_sync(train::Context& context) {
  torch::manual_seed(1);
  SmallNetwork network;
  train::DistributedDataParallel model(network, context.process_group());
  const auto backward = [&](int part) {
    torch::manual_seed(10 * part + context.rank());
    model(torch::randn({4, 1, 8, 8})).pow(2).sum().backward();
  };
  backward(0);
  const torch::Tensor first = network->out->weight.grad().clone();
  network->zero_grad();
  backward(1);
  const torch::Tensor second = network->out->weight.grad().clone();
  network->zero_grad();
  {
    const auto guard = model.no_sync();
    backward(0);
    require(!mean_over_ranks(context, network->out->weight.grad()).allclose(network->out->weight.grad()), "nothing was averaged");
  }
  backward(1);
  require(network->out->weight.grad().allclose(first + second, 1e-4, 1e-5), "both batches count");
}
TEST_F(Ddp, BatchesCanBeGatheredBeforeTheAverage) { run<gathers_without_sync>(); }

struct TwoHeadsImpl : torch::nn::Module {
  torch::nn::Linear left = register_module("left", torch::nn::Linear(3, 1));
  torch::nn::Linear right = register_module("right", torch::nn::Linear(3, 1));
  torch::Tensor forward(const torch::Tensor& x, bool to_left) { return to_left ? left(x) : right(x); }
};
TORCH_MODULE(TwoHeads);

void leaves_parameters_out(train::Context& context) {
  TwoHeads network;
  train::DistributedDataParallel model(network, context.process_group(), {.find_unused_parameters = true});
  for (int step = 0; step < 3; ++step) {
    network->zero_grad();
    model(torch::ones({2, 3}), context.rank() == 0).sum().backward();
    require(network->left->weight.grad().allclose(torch::full({1, 3}, 2.0 / context.world_size())), "one rank's gradient");
  }
}
TEST_F(Ddp, AStepMayLeaveParametersOut) { run<leaves_parameters_out>(); }

struct CountingImpl : torch::nn::Module {
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(2, 1));
  torch::Tensor seen = register_buffer("seen", torch::zeros({1}));
  torch::Tensor forward(const torch::Tensor& x) {
    seen += x.size(0);
    return linear(x);
  }
};
TORCH_MODULE(Counting);

void shares_buffers(train::Context& context) {
  Counting network;
  train::DistributedDataParallel model(network, context.process_group());
  for (int step = 0; step < 3; ++step) model(torch::ones({1 + 4 * context.rank(), 2})).sum().backward();
  require(network->seen.item<float>() == 2 + 1 + 4 * context.rank(), "before each step the buffers are rank 0's");
  Counting other;
  train::DistributedDataParallel own(other, context.process_group(), {.broadcast_buffers = false});
  for (int step = 0; step < 3; ++step) own(torch::ones({1 + 4 * context.rank(), 2})).sum().backward();
  require(other->seen.item<float>() == 3 * (1 + 4 * context.rank()), "each rank keeps its own");
}
TEST_F(Ddp, BuffersAreTheFirstRanks) { run<shares_buffers>(); }

void differs(train::Context& context) {
  torch::nn::Sequential network{torch::nn::Linear(3 + context.rank(), 2)};
  train::DistributedDataParallel model(network, context.process_group());
}
TEST_F(Ddp, NetworksThatDifferAreRefused) {
  try {
    run<differs>();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("differ"));
  }
}

void has_nothing_to_train(train::Context& context) {
  torch::nn::Sequential network{torch::nn::ReLU()};
  train::DistributedDataParallel model(network, context.process_group());
}
TEST_F(Ddp, ANetworkWithoutParametersIsRefused) {
  try {
    run<has_nothing_to_train>();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("has no parameter"));
  }
}

}  // namespace
