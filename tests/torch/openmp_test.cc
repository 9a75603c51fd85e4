// A program that computes in parallel before init: forked workers must not wait for threads that only the parent had.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>

namespace {

double parallel_sum(std::int64_t n) { return torch::ones({n}).mul(2).sum().item<double>(); }

float backward(std::int64_t n) {
  const torch::Tensor w = torch::ones({n}, torch::requires_grad());
  (w * w).sum().backward();
  return w.grad()[0].item<float>();
}

TEST(OpenMpBeforeInit, WorkersComputeInParallel) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(manta::get(manta::remote<parallel_sum>(4'000'000)), 8e6);
    EXPECT_EQ(manta::get(manta::remote<parallel_sum>.options({.num_cpus = 2})(4'000'000)), 8e6);
    EXPECT_EQ(manta::get(manta::remote<backward>.options({.num_cpus = 2})(1'000'000)), 2);
  }
}

TEST(OpenMpBeforeInit, TheDriverStillDoes) { EXPECT_EQ(parallel_sum(4'000'000), 8e6); }

}  // namespace

int main(int argc, char** argv) {
  at::set_num_threads(2);
  if (parallel_sum(4'000'000) != 8e6) return 1;
  auto runtime = manta::init(argc, argv, {.num_cpus = 2});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
