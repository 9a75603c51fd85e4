// Environments by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <manta/rl/vector_env.h>

namespace manta::rl {

/// For make_env().
struct EnvOptions {
  AutoresetMode autoreset = AutoresetMode::next_step;
  std::int64_t max_episode_steps = 0;  ///< 0: the environment's own; -1: no limit
  int num_threads = 1;                 ///< that step the batch; more than one pays for HalfCheetah only
};

/// "CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "HalfCheetah-v5": each is
/// Gymnasium's of that name. **Errors**: Error(not_found) for another name, with the list; Error(invalid_argument) for
/// invalid options; Error(unavailable) for HalfCheetah where MuJoCo is not there.
std::unique_ptr<VectorEnv> make_env(std::string_view id, std::size_t num_envs, const EnvOptions& options = {});

/// All that make_env() knows.
std::vector<std::string_view> environment_ids();

}  // namespace manta::rl
