#include <manta/rl/rollout.h>

#include <string>

#include <manta/error.h>

#include <torch/torch.h>

namespace manta::rl {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw Error(ErrorCode::invalid_argument, "Rollout: " + what);
}

void check(const torch::Tensor& tensor, const char* name, at::ScalarType type, std::vector<std::int64_t> shape) {
  require(tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == at::IntArrayRef(shape) &&
              tensor.is_contiguous(),
          std::string(name) + " must be a contiguous tensor of " + c10::toString(type) +
              " of the shape that rollout.h says.");
}

}  // namespace

Rollout join(const std::vector<Rollout>& rollouts) {
  require(!rollouts.empty(), "join needs at least one. Next: give it one.");
  if (rollouts.size() == 1) return rollouts.front();
  const std::int64_t steps = rollouts.front().num_steps();
  std::int64_t envs = 0;
  for (const Rollout& each : rollouts) {
    require(each.num_steps() == steps, "join: one has " + std::to_string(each.num_steps()) + " steps, another " +
                                           std::to_string(steps) + ". Next: give all the same number.");
    envs += each.num_envs();
  }
  const auto all = [&](torch::Tensor Rollout::*part, std::int64_t dimension) {
    std::vector<torch::Tensor> tensors;
    for (const Rollout& each : rollouts) tensors.push_back(each.*part);
    return at::cat(tensors, dimension);
  };
  Rollout whole;
  for (const auto part : {&Rollout::observations, &Rollout::actions, &Rollout::log_probs, &Rollout::rewards,
                          &Rollout::terminated, &Rollout::truncated}) {
    whole.*part = all(part, 1);
  }
  whole.next_observations = all(&Rollout::next_observations, 0);
  whole.final_observations = all(&Rollout::final_observations, 0);
  std::vector<torch::Tensor> rows;
  std::int64_t before = 0;
  for (const Rollout& each : rollouts) {
    const torch::Tensor step = each.final_rows.div(each.num_envs(), "trunc");
    rows.push_back(step * envs + (each.final_rows - step * each.num_envs()) + before);
    before += each.num_envs();
  }
  const auto [in_order, order] = at::cat(rows).sort();
  whole.final_rows = in_order;
  whole.final_observations = whole.final_observations.index_select(0, order);
  return whole;
}

Advantages generalized_advantages(const Rollout& rollout, const Values& values, double gamma, double lambda) {
  const std::int64_t steps = rollout.num_steps(), envs = rollout.num_envs(), finals = rollout.final_rows.numel();
  check(rollout.rewards, "rewards", at::kFloat, {steps, envs});
  check(rollout.terminated, "terminated", at::kByte, {steps, envs});
  check(rollout.truncated, "truncated", at::kByte, {steps, envs});
  check(rollout.final_rows, "final_rows", at::kLong, {finals});
  check(values.values, "values", at::kFloat, {steps, envs});
  check(values.next_values, "next_values", at::kFloat, {envs});
  check(values.final_values, "final_values", at::kFloat, {finals});

  Advantages result{at::empty({steps, envs}, at::kFloat), at::empty({steps, envs}, at::kFloat)};
  const float* reward = rollout.rewards.const_data_ptr<float>();
  const float* value = values.values.const_data_ptr<float>();
  const auto* terminated = rollout.terminated.const_data_ptr<std::uint8_t>();
  const auto* truncated = rollout.truncated.const_data_ptr<std::uint8_t>();
  const auto* final_row = rollout.final_rows.const_data_ptr<std::int64_t>();
  const float* final_value = values.final_values.const_data_ptr<float>();
  float* advantage = result.advantages.mutable_data_ptr<float>();
  float* expected = result.returns.mutable_data_ptr<float>();

  std::int64_t truncations = 0;
  for (std::int64_t row = 0; row < steps * envs; ++row) truncations += truncated[row] != 0 && terminated[row] == 0;
  require(truncations <= finals,
          "a truncated step has no final observation. Next: add it to final_observations and final_rows.");

  const auto discount = static_cast<float>(gamma), trace = static_cast<float>(gamma * lambda);
  std::vector<float> after(static_cast<std::size_t>(envs), 0.0F);  // A(t + 1)
  std::vector<float> next(values.next_values.const_data_ptr<float>(),
                          values.next_values.const_data_ptr<float>() + envs);
  std::int64_t finals_left = finals;
  for (std::int64_t row = steps * envs - envs; row >= 0; row -= envs) {
    for (; finals_left > 0 && final_row[finals_left - 1] >= row; --finals_left) {
      const std::int64_t env = final_row[finals_left - 1] - row;
      require(env < envs && truncated[row + env] != 0, "final_rows must be those of truncated steps, in order.");
      next[static_cast<std::size_t>(env)] = final_value[finals_left - 1];
    }
    for (std::int64_t env = 0; env < envs; ++env) {
      const auto i = static_cast<std::size_t>(env);
      const std::int64_t at = row + env;
      const float goes_on = terminated[at] != 0 ? 0.0F : 1.0F;
      const float same_episode = truncated[at] != 0 ? 0.0F : goes_on;
      const float delta = reward[at] + discount * goes_on * next[i] - value[at];
      after[i] = delta + trace * same_episode * after[i];
      advantage[at] = after[i];
      expected[at] = after[i] + value[at];
      next[i] = value[at];
    }
  }
  require(finals_left == 0, "final_rows must be rows of the rollout, in order.");
  return result;
}

}  // namespace manta::rl
