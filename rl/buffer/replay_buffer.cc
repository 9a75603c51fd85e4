#include <manta/rl/replay_buffer.h>

#include <algorithm>
#include <string>

#include <torch/torch.h>

#include <manta/error.h>

namespace manta::rl {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw Error(ErrorCode::invalid_argument, "ReplayBuffer: " + what);
}

template <class T>
void put_row(torch::Tensor& tensor, std::int64_t row, std::span<const T> values, const char* name) {
  const std::int64_t size = tensor.numel() / tensor.size(0);
  require(static_cast<std::int64_t>(values.size()) == size, std::string(name) + " has " +
                                                                std::to_string(values.size()) +
                                                                " elements. Next: give " + std::to_string(size) + ".");
  std::ranges::copy(values, tensor.mutable_data_ptr<T>() + row * size);
}

}  // namespace

ReplayBuffer::ReplayBuffer(const ReplayOptions& options)
    : options_(options), limit_(options.capacity / std::max<std::int64_t>(options.num_envs, 1)) {
  require(options.num_envs >= 1 && options.observation_size >= 1 && options.n_step >= 1,
          "num_envs, observation_size or n_step is not positive. Next: give at least 1.");
  require(limit_ >= 1, "capacity is " + std::to_string(options.capacity) +
                           ". Next: give at least one step for each of the " + std::to_string(options.num_envs) +
                           " environments.");
  contents_.observations = at::zeros({limit_, options.num_envs, options.observation_size}, at::kFloat);
  contents_.next_observations = at::zeros_like(contents_.observations);
  contents_.actions = at::zeros({limit_, options.num_envs}, at::kLong);
  contents_.rewards = at::zeros({limit_, options.num_envs}, at::kFloat);
  contents_.ends = at::zeros({limit_, options.num_envs}, at::kByte);
}

void ReplayBuffer::add(const Step& step) {
  put_row(contents_.observations, next_, step.observations, "observations");
  put_row(contents_.next_observations, next_, step.next_observations, "next_observations");
  put_row(contents_.actions, next_, step.actions, "actions");
  put_row(contents_.rewards, next_, step.rewards, "rewards");
  put_row(contents_.ends, next_, step.terminated, "terminated");
  require(step.truncated.size() == step.terminated.size(), "truncated must have as many elements as terminated.");
  auto* ends = contents_.ends.mutable_data_ptr<std::uint8_t>() + next_ * options_.num_envs;
  for (std::size_t i = 0; i < step.truncated.size(); ++i)
    ends[i] |= static_cast<std::uint8_t>(step.truncated[i] != 0 ? 2 : 0);
  next_ = (next_ + 1) % limit_;
  steps_ = std::min(steps_ + 1, limit_);
}

Transitions ReplayBuffer::sample(std::int64_t count, Rng& rng) const {
  require(steps_ > 0, "there is nothing to sample yet. Next: add() a step first.");
  const std::int64_t envs = options_.num_envs, width = options_.observation_size;
  Transitions batch{at::empty({count, width}, at::kFloat), at::empty({count}, at::kLong),
                    at::empty({count}, at::kFloat), at::empty({count, width}, at::kFloat),
                    at::empty({count}, at::kFloat)};
  const auto* rewards = contents_.rewards.const_data_ptr<float>();
  const auto* ends = contents_.ends.const_data_ptr<std::uint8_t>();
  const std::int64_t oldest = steps_ < limit_ ? 0 : next_;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto drawn = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(size())));
    const std::int64_t age = drawn / envs, env = drawn % envs;  // age: steps after the oldest
    const auto row_of = [&](std::int64_t step) { return (oldest + step) % limit_ * envs + env; };
    double sum = 0, discount = 1;
    std::int64_t last = age;
    for (std::int64_t step = age; step < std::min(age + options_.n_step, steps_); ++step) {
      last = step;
      sum += discount * rewards[row_of(step)];
      discount *= options_.gamma;
      if (ends[row_of(step)] != 0) break;
    }
    const std::int64_t first_row = row_of(age), last_row = row_of(last);
    std::copy_n(contents_.observations.const_data_ptr<float>() + first_row * width, width,
                batch.observations.mutable_data_ptr<float>() + i * width);
    std::copy_n(contents_.next_observations.const_data_ptr<float>() + last_row * width, width,
                batch.next_observations.mutable_data_ptr<float>() + i * width);
    batch.actions.mutable_data_ptr<std::int64_t>()[i] = contents_.actions.const_data_ptr<std::int64_t>()[first_row];
    batch.rewards.mutable_data_ptr<float>()[i] = static_cast<float>(sum);
    batch.discounts.mutable_data_ptr<float>()[i] = (ends[last_row] & 1) != 0 ? 0.0F : static_cast<float>(discount);
  }
  return batch;
}

}  // namespace manta::rl
