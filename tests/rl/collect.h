// Steps a vector environment with the same random actions each time, and keeps all that it wrote.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include <manta/rl/rng.h>
#include <manta/rl/vector_env.h>

namespace manta::rl {

struct Buffers {
  explicit Buffers(const VectorEnv& env)
      : observations(env.num_envs() * env.observation_size()),
        final_observations(observations.size()),
        rewards(env.num_envs()),
        terminated(env.num_envs()),
        truncated(env.num_envs()),
        discrete(env.num_envs()),
        box(env.num_envs() * action_size(env.action_space())) {}

  StepBatch out() { return {observations, rewards, terminated, truncated, final_observations}; }

  // One step; with `disabled`, ended environments start again after it.
  void step(VectorEnv& env, Rng& rng) {
    if (const auto* space = std::get_if<Discrete>(&env.action_space())) {
      for (auto& action : discrete) action = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(space->n)));
      env.step(std::span<const std::int64_t>(discrete), out());
    } else {
      for (auto& action : box) action = static_cast<float>(rng.uniform(-1, 1));
      env.step(std::span<const float>(box), out());
    }
    for (const auto& episode : env.finished_episodes()) {
      episodes.emplace_back(episode.env, episode.episode_return, episode.length);
    }
    if (env.autoreset_mode() != AutoresetMode::disabled || env.finished_episodes().empty()) return;
    std::vector<std::uint8_t> ended(env.num_envs());
    for (std::size_t i = 0; i < ended.size(); ++i) ended[i] = terminated[i] | truncated[i];
    env.reset_where(ended, observations);
  }

  auto seen() const { return std::tie(observations, final_observations, rewards, terminated, truncated, episodes); }

  std::vector<float> observations, final_observations, rewards;
  std::vector<std::uint8_t> terminated, truncated;
  std::vector<std::int64_t> discrete;
  std::vector<float> box;
  std::vector<std::tuple<std::size_t, double, std::int64_t>> episodes;  // all so far
};

}  // namespace manta::rl
