// Pendulum-v1: a pendulum is swung up and held upright by a weak motor.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <manta/rl/environment.h>

namespace manta::rl {

/// Gymnasium's Pendulum-v1. Observation: cosine and sine of the angle (0 is up), angular velocity (rad/s). Action: the
/// torque, taken between -2 and 2 Nm. Reward: minus a cost of angle, velocity and torque. Never terminated.
struct Pendulum {
  static constexpr std::string_view kId = "Pendulum-v1";
  static constexpr std::int64_t kMaxEpisodeSteps = 200;

  static Box observation_space() { return {{-1, -1, -8}, {1, 1, 8}}; }
  static ActionSpace action_space() { return Box{{-2}, {2}}; }

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::span<const float> action, std::span<float> observation);
  /// The observation as it is now.
  void write(std::span<float> observation) const;

  double theta = 0, theta_dot = 0;
};

}  // namespace manta::rl
