#include <manta/rl/evaluation.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <variant>

#include <torch/torch.h>

#include <manta/error.h>

#include "rl/policy/thread_count.h"
#include "rl/vector_env/check_numbers.h"

namespace manta::rl {
namespace {

bool same_kind(const ActionSpace& a, const ActionSpace& b) {
  const auto *one = std::get_if<Discrete>(&a), *other = std::get_if<Discrete>(&b);
  if (one != nullptr && other != nullptr) return one->n == other->n;
  return one == nullptr && other == nullptr && action_size(a) == action_size(b);
}

void step(VectorEnv& envs, const torch::Tensor& actions, const StepBatch& out) {
  const auto count = static_cast<std::size_t>(actions.numel());
  if (actions.scalar_type() == at::kLong) {
    envs.step(std::span<const std::int64_t>(actions.const_data_ptr<std::int64_t>(), count), out);
  } else {
    envs.step(std::span<const float>(actions.const_data_ptr<float>(), count), out);
  }
}

}  // namespace

Evaluation evaluate(Policy& policy, const EnvironmentSpec& environment, const EvaluationOptions& options) {
  if (options.episodes < 1 || options.num_envs < 1 || options.num_threads < 1) {
    throw Error(ErrorCode::invalid_argument,
                "EvaluationOptions: episodes, num_envs or num_threads is not positive. Next: give at least 1.");
  }
  const detail::ThreadCount threads(options.num_threads);
  const auto count = static_cast<std::size_t>(std::min(options.episodes, options.num_envs));
  const auto envs = std::make_unique<detail::CheckNumbers>(environment.make(count));
  if (envs->observation_size() != policy.observation_space().size() ||
      !same_kind(envs->action_space(), policy.action_space())) {
    throw Error(ErrorCode::invalid_argument,
                "evaluate: " + environment.name() +
                    " has other observations or actions than the "
                    "environment that the policy was trained on. Next: evaluate it on that one.");
  }
  std::vector<std::int64_t> left(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = static_cast<std::int64_t>(count);
    left[i] = options.episodes / n + (static_cast<std::int64_t>(i) < options.episodes % n ? 1 : 0);
  }
  const auto width = static_cast<std::int64_t>(envs->observation_size());
  torch::Tensor observations = at::empty({static_cast<std::int64_t>(count), width}, at::kFloat);
  const std::span<float> seen(observations.mutable_data_ptr<float>(), static_cast<std::size_t>(observations.numel()));
  std::vector<float> rewards(count);
  std::vector<std::uint8_t> terminated(count), truncated(count);
  envs->reset(options.seed, seen);

  Evaluation result;
  while (static_cast<std::int64_t>(result.returns.size()) < options.episodes) {
    const torch::Tensor actions = policy.act(observations, options.deterministic).contiguous();
    step(*envs, actions, {seen, rewards, terminated, truncated});
    for (const EpisodeStatistics& episode : envs->finished_episodes()) {
      if (left[episode.env]-- <= 0) continue;
      result.returns.push_back(episode.episode_return);
      result.lengths.push_back(episode.length);
    }
  }
  const auto episodes = static_cast<double>(options.episodes);
  result.mean_return = std::accumulate(result.returns.begin(), result.returns.end(), 0.0) / episodes;
  result.mean_length =
      static_cast<double>(std::accumulate(result.lengths.begin(), result.lengths.end(), std::int64_t{0})) / episodes;
  for (const double each : result.returns) {
    result.std_return += (each - result.mean_return) * (each - result.mean_return) / episodes;
  }
  result.std_return = std::sqrt(result.std_return);
  return result;
}

}  // namespace manta::rl
