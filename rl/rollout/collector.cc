#include "rl/rollout/collector.h"

#include <unistd.h>

#include <algorithm>
#include <span>

#include <manta/rl/detail/batch_checks.h>
#include <manta/serialize.h>

#include "rl/policy/flat_parameters.h"
#include "rl/rollout/sampling.h"
#include "rl/vector_env/check_numbers.h"

namespace manta::rl::detail {
namespace {

template <class T>
std::span<T> all_of(const torch::Tensor& tensor) {
  return {tensor.mutable_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

// What is normalised is also bounded.
void bound(std::span<float> values) {
  for (float& value : values) value = std::clamp(value, -10.0F, 10.0F);
}

torch::Tensor copied(const std::vector<float>& rows, std::int64_t columns) {
  const auto count = static_cast<std::int64_t>(rows.size()) / columns;
  torch::Tensor tensor = at::empty({count, columns}, at::kFloat);
  std::ranges::copy(rows, tensor.mutable_data_ptr<float>());
  return tensor;
}

}  // namespace

// The rows of a rollout that one step of all environments fills.
struct Collector::Step {
  std::span<float> observations;       // [N, O], normalised
  std::span<float> next_observations;  // [N, O]
  std::span<float> log_probs, rewards;
  std::span<std::uint8_t> terminated, truncated;
  std::span<std::int64_t> choices;  // of a Discrete space
  std::span<float> numbers;         // of a Box
};

Collector::Collector(const CollectorSetup& setup, std::unique_ptr<VectorEnv> envs)
    : setup_(setup),
      envs_(std::move(envs)),
      network_(static_cast<std::int64_t>(envs_->observation_size()), envs_->action_space(), setup.network, setup.seed),
      actor_(network_->actor),
      observation_size_(envs_->observation_size()) {
  const auto num_envs = static_cast<std::size_t>(setup_.num_envs);
  observations_.resize(num_envs * observation_size_);
  last_.resize(observations_.size());
  output_.resize(num_envs * static_cast<std::size_t>(network_->shape().size));
  wrap_environments();
}

// In the order of CleanRL's ppo_continuous_action.py.
void Collector::wrap_environments() {
  envs_ = std::make_unique<CheckNumbers>(std::move(envs_), setup_.first_env);
  if (!network_->shape().discrete) envs_ = std::make_unique<ClipAction>(std::move(envs_));
  if (setup_.normalize_observations) {
    auto wrapper = std::make_unique<NormalizeObservation>(std::move(envs_));
    observations_of_ = wrapper.get();
    envs_ = std::move(wrapper);
  }
  if (setup_.normalize_rewards) {
    auto wrapper = std::make_unique<NormalizeReward>(std::move(envs_), NormalizeRewardOptions{.gamma = setup_.gamma});
    rewards_of_ = wrapper.get();
    envs_ = std::move(wrapper);
  }
}

void Collector::start(std::int64_t round) {
  // COLLECT-2; Gymnasium's environment i of a run gets seed + i.
  const auto later = static_cast<std::uint64_t>(round) * 0x9e3779b97f4a7c15ULL;
  envs_->reset(setup_.seed + static_cast<std::uint64_t>(setup_.first_env) + later, observations_);
  if (observations_of_ != nullptr) bound(observations_);
  started_ = true;
}

void Collector::choose(const Step& step, std::uint64_t time) {
  actor_.forward(step.observations.data(), setup_.num_envs, output_.data());
  const float* row = output_.data();
  const std::int64_t size = network_->shape().size;
  const float* log_stds = network_->shape().discrete ? nullptr : network_->log_std.const_data_ptr<float>();
  for (std::int64_t env = 0; env < setup_.num_envs; ++env, row += size) {
    const StepNoise noise(setup_.seed, static_cast<std::uint64_t>(setup_.first_env + env), time);
    const auto at = static_cast<std::size_t>(env);
    if (log_stds == nullptr) {
      step.choices[at] = draw_choice(row, size, noise, step.log_probs[at]);
    } else {
      draw_normal(row, log_stds, size, noise, &step.numbers[at * static_cast<std::size_t>(size)], step.log_probs[at]);
    }
  }
}

// Episodes that ended, and where those did that were truncated.
void Collector::after_step(const Step& step, std::int64_t at, Collected& collected) {
  if (observations_of_ != nullptr) bound(step.next_observations);
  if (rewards_of_ != nullptr) bound(step.rewards);
  for (const EpisodeStatistics& episode : envs_->finished_episodes()) {
    collected.episodes.push_back({at + 1, episode.episode_return, episode.length});
    if (step.truncated[episode.env] == 0 || step.terminated[episode.env] != 0) continue;
    final_rows_.push_back(at * setup_.num_envs + static_cast<std::int64_t>(episode.env));
    const auto last = std::span(last_).subspan(episode.env * observation_size_, observation_size_);
    if (observations_of_ != nullptr) bound(last);
    finals_.insert(finals_.end(), last.begin(), last.end());
  }
}

// The tensors of a rollout, to be filled; observations have one step more, the next observations.
Rollout Collector::make_rollout() const {
  const std::int64_t steps = setup_.num_steps, envs = setup_.num_envs;
  const ActionShape& shape = network_->shape();
  Rollout rollout;
  rollout.observations = at::empty({steps + 1, envs, static_cast<std::int64_t>(observation_size_)}, at::kFloat);
  rollout.actions =
      shape.discrete ? at::empty({steps, envs}, at::kLong) : at::empty({steps, envs, shape.size}, at::kFloat);
  rollout.log_probs = at::empty({steps, envs}, at::kFloat);
  rollout.rewards = at::empty({steps, envs}, at::kFloat);
  rollout.terminated = at::empty({steps, envs}, at::kByte);
  rollout.truncated = at::empty({steps, envs}, at::kByte);
  return rollout;
}

Collector::Step Collector::step_of(const Rollout& rollout, std::int64_t at) const {
  const auto rows = [&]<class T>(const torch::Tensor& tensor, std::int64_t step, T) {
    const std::size_t size = all_of<T>(tensor).size() / static_cast<std::size_t>(tensor.size(0));
    return all_of<T>(tensor).subspan(static_cast<std::size_t>(step) * size, size);
  };
  Step step{rows(rollout.observations, at, 0.0F),
            rows(rollout.observations, at + 1, 0.0F),
            rows(rollout.log_probs, at, 0.0F),
            rows(rollout.rewards, at, 0.0F),
            rows(rollout.terminated, at, std::uint8_t{0}),
            rows(rollout.truncated, at, std::uint8_t{0}),
            {},
            {}};
  if (network_->shape().discrete) {
    step.choices = rows(rollout.actions, at, std::int64_t{0});
  } else {
    step.numbers = rows(rollout.actions, at, 0.0F);
  }
  return step;
}

void Collector::step_environments(const Step& step) {
  const StepBatch out{step.next_observations, step.rewards, step.terminated, step.truncated, last_};
  if (network_->shape().discrete) {
    envs_->step(std::span<const std::int64_t>(step.choices), out);
  } else {
    envs_->step(std::span<const float>(step.numbers), out);
  }
}

Collected Collector::collect(const Round& round) {
  const torch::NoGradGuard no_grad;
  view_parameters(*network_, round.parameters);
  actor_.refresh();
  if (observations_of_ != nullptr) observations_of_->set_statistics(round.statistics.observations);
  if (rewards_of_ != nullptr) rewards_of_->set_statistics(round.statistics.returns);
  finals_.clear();
  final_rows_.clear();
  if (!started_) start(round.number);

  Collected collected;
  Rollout& rollout = collected.rollout;
  rollout = make_rollout();
  std::ranges::copy(observations_, rollout.observations.mutable_data_ptr<float>());
  for (std::int64_t at = 0; at < setup_.num_steps; ++at) {
    const Step step = step_of(rollout, at);
    choose(step, static_cast<std::uint64_t>(round.number * setup_.num_steps + at));
    step_environments(step);
    after_step(step, at, collected);
  }
  rollout.next_observations = rollout.observations.select(0, setup_.num_steps);
  rollout.observations = rollout.observations.narrow(0, 0, setup_.num_steps);
  std::copy_n(rollout.next_observations.const_data_ptr<float>(), observations_.size(), observations_.begin());
  rollout.final_observations = copied(finals_, static_cast<std::int64_t>(observation_size_));
  rollout.final_rows = at::empty({static_cast<std::int64_t>(final_rows_.size())}, at::kLong);
  std::ranges::copy(final_rows_, rollout.final_rows.mutable_data_ptr<std::int64_t>());
  if (observations_of_ != nullptr) collected.seen.observations = observations_of_->take_seen();
  if (rewards_of_ != nullptr) collected.seen.returns = rewards_of_->take_seen();
  collected.process = ::getpid();
  return collected;
}

std::string Collector::save_state() const {
  serial::Writer writer;
  const std::string envs = started_ ? envs_->save_state() : "";
  writer(started_, envs, observations_);
  return bytes_of(writer);
}

void Collector::load_state(const std::string& state) {
  const StateBytes content = state_bytes(state);
  serial::Reader reader(content.bytes, content.framed);
  std::string envs;
  reader(started_, envs, observations_);
  reader.finish();
  if (started_) envs_->load_state(envs);
}

}  // namespace manta::rl::detail
