// Advantages against the definition, rollouts side by side.
#include <manta/rl/rollout.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/error.h>

namespace {

namespace rl = manta::rl;
using ::testing::HasSubstr;

// A made-up rollout of made-up values; episodes end now and then.
struct Example {
  rl::Rollout rollout;
  rl::Values values;
};

torch::Tensor value_of(const torch::Tensor& observations) { return observations.sum(-1); }

Example example(std::int64_t steps, std::int64_t envs, std::uint64_t seed) {
  torch::manual_seed(seed);
  Example made;
  rl::Rollout& rollout = made.rollout;
  rollout.observations = torch::randn({steps, envs, 3});
  rollout.actions = torch::randint(5, {steps, envs}, torch::kLong);
  rollout.log_probs = torch::randn({steps, envs});
  rollout.rewards = torch::randn({steps, envs});
  rollout.terminated = (torch::rand({steps, envs}) < 0.15).to(torch::kByte);
  rollout.truncated = (torch::rand({steps, envs}) < 0.15).to(torch::kByte);
  rollout.next_observations = torch::randn({envs, 3});
  rollout.final_rows =
      (rollout.truncated.logical_and(rollout.terminated.logical_not())).flatten().nonzero().squeeze(-1);
  rollout.final_observations = torch::randn({rollout.final_rows.numel(), 3});
  made.values = {torch::randn({steps, envs}), torch::randn({envs}), value_of(rollout.final_observations)};
  return made;
}

// The sum of the definition, of each step by itself: A(t) = sum over k of (gamma lambda)^k delta(t + k), to the
// episode's end.
double naive_advantage(const Example& of, std::int64_t t, std::int64_t env, double gamma, double lambda) {
  const rl::Rollout& rollout = of.rollout;
  double sum = 0, weight = 1;
  for (std::int64_t k = t; k < rollout.num_steps(); ++k, weight *= gamma * lambda) {
    const bool terminated = rollout.terminated[k][env].item<bool>(), truncated = rollout.truncated[k][env].item<bool>();
    double after = k + 1 < rollout.num_steps() ? of.values.values[k + 1][env].item<double>()
                                               : of.values.next_values[env].item<double>();
    if (truncated) {
      const auto which = (rollout.final_rows == k * rollout.num_envs() + env).nonzero();
      after = which.numel() > 0 ? of.values.final_values[which.item<std::int64_t>()].item<double>() : 0;
    }
    if (terminated) after = 0;
    sum += weight * (rollout.rewards[k][env].item<double>() + gamma * after - of.values.values[k][env].item<double>());
    if (terminated || truncated) break;
  }
  return sum;
}

TEST(Advantages, AreThoseOfTheDefinition) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Example made = example(23, 4, seed);
    ASSERT_GT(made.rollout.final_rows.numel(), 0);
    const rl::Advantages found = generalized_advantages(made.rollout, made.values, 0.97, 0.9);
    for (std::int64_t t = 0; t < 23; ++t) {
      for (std::int64_t env = 0; env < 4; ++env) {
        EXPECT_NEAR(found.advantages[t][env].item<double>(), naive_advantage(made, t, env, 0.97, 0.9), 1e-5);
      }
    }
    EXPECT_TRUE(found.returns.equal(found.advantages + made.values.values));
  }
}

TEST(Advantages, ATruncatedStepNeedsItsFinalObservation) {
  Example made = example(5, 2, 4);
  made.rollout.terminated.zero_();
  made.rollout.truncated.fill_(1);
  try {
    (void)generalized_advantages(made.rollout, made.values, 0.9, 0.9);
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("final observation"));
  }
}

TEST(Rollout, JoinedSideBySideGivesTheSameAdvantages) {
  const Example left = example(11, 3, 5), right = example(11, 2, 6);
  const rl::Rollout both = rl::join({left.rollout, right.rollout});
  EXPECT_EQ(both.num_envs(), 5);
  const rl::Values values{torch::cat({left.values.values, right.values.values}, 1),
                          torch::cat({left.values.next_values, right.values.next_values}),
                          value_of(both.final_observations)};
  const rl::Advantages found = generalized_advantages(both, values, 0.99, 0.95);
  const rl::Advantages one = generalized_advantages(left.rollout, left.values, 0.99, 0.95);
  const rl::Advantages other = generalized_advantages(right.rollout, right.values, 0.99, 0.95);
  EXPECT_TRUE(found.advantages.equal(torch::cat({one.advantages, other.advantages}, 1)));
  EXPECT_TRUE(found.returns.equal(torch::cat({one.returns, other.returns}, 1)));
}

}  // namespace
