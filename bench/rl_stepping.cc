// Stepping of environments, on one thread, with automatic resets and statistics of episodes, as ray_rl.py of the peers
// steps Gymnasium's and EnvPool's.
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <manta/rl/make_env.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

using rl::Discrete;

// Steps `num_envs` copies; one call of the harness is `kBatch` steps of all.
void stepping(Harness& harness, std::string_view name, std::string_view id, std::size_t num_envs) {
  constexpr int kBatch = 50;
  const auto envs = rl::make_env(id, num_envs);
  std::vector<float> observations(num_envs * envs->observation_size()), rewards(num_envs);
  std::vector<std::uint8_t> terminated(num_envs), truncated(num_envs);
  std::vector<std::int64_t> choices(num_envs);
  std::vector<float> forces(num_envs * rl::action_size(envs->action_space()));
  for (std::size_t i = 0; i < num_envs; ++i) choices[i] = static_cast<std::int64_t>(i % 2);
  for (std::size_t i = 0; i < forces.size(); ++i) forces[i] = i % 2 == 0 ? -0.5F : 0.5F;
  envs->reset(0, observations);
  std::size_t episodes = 0;
  const bool discrete = std::holds_alternative<Discrete>(envs->action_space());
  const auto steps = [&] {
    for (int i = 0; i < kBatch; ++i) {
      const rl::StepBatch out{observations, rewards, terminated, truncated};
      if (discrete) {
        envs->step(std::span<const std::int64_t>(choices), out);
      } else {
        envs->step(std::span<const float>(forces), out);
      }
      episodes += envs->finished_episodes().size();
    }
  };
  harness.rate(name, steps, kBatch * static_cast<double>(num_envs), "steps/s");
  check(episodes > 0, "no episode ended");
}

constexpr std::string_view kMain = "stepping: manta CartPole";

}  // namespace

std::vector<Case> stepping_cases() {
  return {
      {{kMain}, [](Harness& h) { stepping(h, kMain, "CartPole-v1", 256); }},
      {{"stepping: manta CartPole (1)"},
       [](Harness& h) { stepping(h, "stepping: manta CartPole (1)", "CartPole-v1", 1); }},
      {{"stepping: manta CartPole (16)"},
       [](Harness& h) { stepping(h, "stepping: manta CartPole (16)", "CartPole-v1", 16); }},
      {{"stepping: manta CartPole (4096)"},
       [](Harness& h) { stepping(h, "stepping: manta CartPole (4096)", "CartPole-v1", 4096); }},
      {{"stepping: manta Acrobot"}, [](Harness& h) { stepping(h, "stepping: manta Acrobot", "Acrobot-v1", 256); }},
      {{"stepping: manta MountainCar"},
       [](Harness& h) { stepping(h, "stepping: manta MountainCar", "MountainCar-v0", 256); }},
      {{"stepping: manta MountainCarContinuous"},
       [](Harness& h) { stepping(h, "stepping: manta MountainCarContinuous", "MountainCarContinuous-v0", 256); }},
      {{"stepping: manta Pendulum"}, [](Harness& h) { stepping(h, "stepping: manta Pendulum", "Pendulum-v1", 256); }},
      {{"stepping: manta HalfCheetah (8)"},
       [](Harness& h) { stepping(h, "stepping: manta HalfCheetah (8)", "HalfCheetah-v5", 8); }},
  };
}

}  // namespace manta::bench
