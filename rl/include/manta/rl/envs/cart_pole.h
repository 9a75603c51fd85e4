// CartPole-v1: a pole on a cart that is pushed left or right.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <manta/rl/environment.h>

namespace manta::rl {

/// Gymnasium's CartPole-v1: the same equations, constants, starts and ends. Observation: position (m), velocity, angle
/// (rad), angular velocity. Action: 0 pushes left, 1 right. Reward 1 a step. Terminated beyond 2.4 m or 12 degrees.
/// make_env() steps batches of it with SIMD instructions, along the same trajectories.
struct CartPole {
  static constexpr std::string_view kId = "CartPole-v1";
  static constexpr std::int64_t kMaxEpisodeSteps = 500;

  static Box observation_space();
  static ActionSpace action_space() { return Discrete{2}; }

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::int64_t action, std::span<float> observation);

  /// The observation as it is now.
  void write(std::span<float> observation) const;

  double x = 0, x_dot = 0, theta = 0, theta_dot = 0;
};

}  // namespace manta::rl
