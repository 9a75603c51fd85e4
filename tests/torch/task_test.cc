// Tensors as arguments and results of tasks, and torch inside workers.
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

namespace manta {
namespace {

using ::testing::HasSubstr;

// --- random numbers: first of all, because tests below seed the workers' generators

struct Drawn {
  int process = 0;
  double value = 0;
  friend auto operator<=>(const Drawn&, const Drawn&) = default;
};
Drawn draw_and_work(const torch::Tensor& x) {
  const double value = torch::rand({1}, torch::kDouble).item<double>();
  return {getpid(), torch::mm(x, x).sum().item<double>() < 0 ? -1 : value};
}
double draw_seeded(int seed) {
  torch::manual_seed(seed);
  return torch::rand({1}, torch::kDouble).item<double>();
}

TEST(TensorTask, EachWorkerDrawsItsOwnNumbers) {
  std::set<double> values;
  std::set<int> processes;
  for (int round = 0; round < 50 && processes.size() < 2; ++round) {
    std::vector<Ref<Drawn>> refs;
    for (int i = 0; i < 8; ++i) refs.push_back(remote<draw_and_work>(torch::ones({500, 500})));
    for (const Drawn& drawn : get(refs)) {
      EXPECT_TRUE(values.insert(drawn.value).second) << "two workers drew the same number";
      processes.insert(drawn.process);
    }
  }
  EXPECT_GE(processes.size(), 2u);
  EXPECT_EQ(get(remote<draw_seeded>(5)), get(remote<draw_seeded>(5)));
}

// --- arguments and results

torch::Tensor twice(const torch::Tensor& x) { return x * 2; }
torch::Tensor same_tensor(torch::Tensor x) { return x; }
torch::Tensor columns(const torch::Tensor& x) { return x.t(); }

TEST(TensorTask, ArgumentsAndResultsByValue) {
  for (const std::int64_t n : {1, 30, 1000, 100'000}) {
    const torch::Tensor x = torch::randn({n});
    EXPECT_TRUE(get(remote<twice>(x)).equal(x * 2)) << n;
  }
  EXPECT_FALSE(get(remote<same_tensor>(torch::Tensor())).defined());
  EXPECT_TRUE(get(remote<same_tensor>(torch::ones({3}, torch::kBFloat16))).equal(torch::ones({3}, torch::kBFloat16)));
  const torch::Tensor x = torch::randn({50, 70});
  EXPECT_TRUE(get(remote<columns>(x)).equal(x.t()));
  EXPECT_EQ(get(remote<columns>(x)).strides(), x.t().strides());
}

TEST(TensorTask, ByReference) {
  const torch::Tensor x = torch::randn({300, 300});
  const Ref<torch::Tensor> stored = put(x);
  EXPECT_TRUE(get(stored).equal(x));
  const Ref<torch::Tensor> four = remote<twice>(remote<twice>(stored));
  EXPECT_TRUE(get(four).equal(x * 4));
  EXPECT_TRUE(get(remote<same_tensor>(four)).equal(x * 4));
}

std::vector<torch::Tensor> parts(const torch::Tensor& x, int count) { return x.chunk(count); }

struct Named {
  std::string name;
  torch::Tensor value;
  Ref<torch::Tensor> later;
};
Named rename(Named named, const std::string& name) {
  named.name = name;
  named.later = remote<twice>(named.value);
  return named;
}

TEST(TensorTask, InsideContainersAndStructs) {
  const torch::Tensor x = torch::arange(6000).view({6, 1000});
  const auto pieces = get(remote<parts>(x, 3));
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_TRUE(torch::cat(pieces).equal(x));
  const Named named = get(remote<rename>(Named{"a", x, {}}, "b"));
  EXPECT_EQ(named.name, "b");
  EXPECT_TRUE(named.value.equal(x));
  EXPECT_TRUE(get(named.later).equal(x * 2));
}

torch::Tensor on_no_device() { return torch::empty({2}, torch::kMeta); }

TEST(TensorTask, ErrorsOfTensorsThatCannotTravel) {
  try {
    (void)remote<twice>(torch::empty({2}, torch::kMeta));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr(".cpu()"));
  }
  EXPECT_THROW((void)put(torch::eye(3).to_sparse()), Error);
  const auto result = try_get(remote<on_no_device>());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().what(), HasSubstr(".cpu()"));
}

double bad_shapes() { return torch::mm(torch::ones({2, 3}), torch::ones({2, 3})).sum().item<double>(); }

TEST(TensorTask, ErrorsOfTorchArrive) {
  try {
    (void)get(remote<bad_shapes>());
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_THAT(error.task()->type, HasSubstr("c10::Error"));
    EXPECT_THAT(error.what(), HasSubstr("2x3 and 2x3"));
  }
}

// --- training in a worker

std::vector<torch::Tensor> gradients(const std::vector<torch::Tensor>& weights, const torch::Tensor& x) {
  torch::mm(torch::relu(torch::mm(x, weights[0])), weights[1]).square().mean().backward();
  return {weights[0].grad(), weights[1].grad()};
}

TEST(TensorTask, BackwardInAWorker) {
  torch::manual_seed(1);
  const auto weight = [](std::int64_t rows, std::int64_t columns) {
    return torch::randn({rows, columns}, torch::requires_grad());
  };
  const std::vector<torch::Tensor> weights = {weight(64, 128), weight(128, 8)};
  const torch::Tensor x = torch::randn({500, 64});
  std::vector<Ref<std::vector<torch::Tensor>>> there;
  const auto stored = put(weights);
  for (int i = 0; i < 4; ++i) there.push_back(remote<gradients>(stored, x));
  const auto here = gradients(weights, x);
  for (const auto& found : get(there)) {
    ASSERT_EQ(found.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(torch::allclose(found[i], here[i], 1e-4, 1e-5));
  }
}

std::vector<double> losses(int steps, int width) {
  torch::manual_seed(3);
  torch::nn::Sequential net(torch::nn::Conv2d(1, width, 3), torch::nn::BatchNorm2d(width), torch::nn::ReLU(),
                            torch::nn::Flatten(), torch::nn::Linear(width * 36, 10));
  torch::optim::Adam optimizer(net->parameters());
  const torch::Tensor x = torch::randn({64, 1, 8, 8}), y = torch::randint(10, {64});
  std::vector<double> found;
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(net->forward(x), y);
    loss.backward();
    optimizer.step();
    found.push_back(loss.item<double>());
  }
  return found;
}

TEST(TensorTask, TrainingInAWorkerIsTheSameInEach) {
  std::vector<Ref<std::vector<double>>> runs;
  for (int i = 0; i < 4; ++i) runs.push_back(remote<losses>(15, 16));
  const auto found = get(runs);
  EXPECT_LT(found[0].back(), found[0].front() / 2);
  for (const auto& run : found) EXPECT_EQ(run, found[0]);
}

// --- threads

int threads() { return at::get_num_threads(); }

TEST(TensorTask, ThreadsFollowTheTasksCpus) {
  EXPECT_EQ(get(remote<threads>()), 1);
  EXPECT_EQ(get(remote<threads>.options({.num_cpus = 2})()), 2);
  EXPECT_EQ(get(remote<threads>.options({.num_cpus = 0.5})()), 1);
  EXPECT_EQ(get(remote<threads>.options({.num_cpus = 1.9})()), 1);
  EXPECT_EQ(get(remote<threads>()), 1);
}

double parallel_sum(std::int64_t n) { return torch::ones({n}).mul(2).sum().item<double>(); }

TEST(TensorTask, ParallelOperationsInWorkers) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(get(remote<parallel_sum>.options({.num_cpus = 2})(4'000'000)), 8e6);
    EXPECT_EQ(get(remote<parallel_sum>(4'000'000)), 8e6);
  }
}

}  // namespace
}  // namespace manta
