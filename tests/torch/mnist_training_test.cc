// The MNIST example's training on workers against one process on the whole batch.
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

#include "examples/mnist_data_parallel/training.h"

namespace {

class MnistTraining : public ::testing::Test {
 protected:
  MnistTraining() { at::set_num_threads(1); }  // as in the workers; two would spin for each other on a busy machine
};

Digits noise(std::int64_t count) {
  torch::manual_seed(11);
  return {torch::randint(256, {count, 28, 28}, torch::kUInt8), torch::randint(10, {count}, torch::kUInt8)};
}

Network first_network() {
  torch::manual_seed(5);
  return Network();
}

torch::optim::SGD optimizer_of(Network& network) {
  return torch::optim::SGD(network->parameters(), torch::optim::SGDOptions(0.02).momentum(0.9));
}

std::vector<torch::Tensor> train_on_workers(const Digits& digits, std::int64_t batch, int workers, int steps) {
  const auto stored = manta::put(digits);
  Network network = first_network();
  torch::optim::SGD optimizer = optimizer_of(network);
  for (int step = 0; step < steps; ++step) {
    const torch::Tensor indices = torch::arange(step * batch, (step + 1) * batch).remainder(digits.size());
    EXPECT_GT(train_step(network, optimizer, stored, indices, workers), 0);
  }
  return network->parameters();
}

std::vector<torch::Tensor> train_here(const Digits& digits, std::int64_t batch, int steps) {
  Network network = first_network();
  torch::optim::SGD optimizer = optimizer_of(network);
  for (int step = 0; step < steps; ++step) {
    const torch::Tensor indices = torch::arange(step * batch, (step + 1) * batch).remainder(digits.size());
    optimizer.zero_grad();
    const torch::Tensor scores = network(normalised(digits.images.index_select(0, indices)));
    const torch::Tensor labels = digits.labels.index_select(0, indices).to(torch::kLong);
    torch::nn::functional::cross_entropy(scores, labels).backward();
    optimizer.step();
  }
  return network->parameters();
}

void expect_close(const std::vector<torch::Tensor>& found, const std::vector<torch::Tensor>& expected) {
  const torch::NoGradGuard no_grad;
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(((found[i] - expected[i]).norm() / expected[i].norm()).item<double>(), 1e-5) << "parameter " << i;
  }
}

TEST_F(MnistTraining, EqualsOneProcessOnTheWholeBatch) {
  const Digits digits = noise(640);
  expect_close(train_on_workers(digits, 64, 2, 20), train_here(digits, 64, 20));
}

TEST_F(MnistTraining, PartsOfDifferentSizesWeighWhatTheyHold) {
  const Digits digits = noise(200);
  expect_close(train_on_workers(digits, 50, 3, 8), train_here(digits, 50, 8));  // 17, 17 and 16
  expect_close(train_on_workers(digits, 1, 2, 3), train_here(digits, 1, 3));    // one part is empty
}

TEST_F(MnistTraining, IsTheSameEachTime) {
  const Digits digits = noise(128);
  const auto first = train_on_workers(digits, 64, 2, 10), second = train_on_workers(digits, 64, 2, 10);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(first[i].equal(second[i])) << "parameter " << i;
}

TEST_F(MnistTraining, CountsWhatTheNetworkRecognises) {
  const Digits digits = noise(2500);
  Network network = first_network();
  const torch::NoGradGuard no_grad;
  const auto right = network(normalised(digits.images)).argmax(1).eq(digits.labels).sum().item<std::int64_t>();
  EXPECT_DOUBLE_EQ(accuracy(network, manta::put(digits), 2500), static_cast<double>(right) / 2500);
}

}  // namespace
