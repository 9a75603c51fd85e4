// Acrobot-v1: two links hang from a joint; the torque between them swings the tip up.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <manta/rl/environment.h>

namespace manta::rl {

/// Gymnasium's Acrobot-v1 ("book" dynamics, Runge-Kutta of order 4). Observation: cosine and sine of both angles, both
/// angular velocities (rad/s). Action: torque -1, 0 or 1 as 0, 1 or 2. Reward -1 a step, 0 for the last. Terminated
/// where the tip is one link above the joint.
struct Acrobot {
  static constexpr std::string_view kId = "Acrobot-v1";
  static constexpr std::int64_t kMaxEpisodeSteps = 500;

  static Box observation_space();
  static ActionSpace action_space() { return Discrete{3}; }

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::int64_t action, std::span<float> observation);
  /// The observation as it is now.
  void write(std::span<float> observation) const;

  std::array<double, 4> state{};  ///< both angles, both angular velocities
};

}  // namespace manta::rl
