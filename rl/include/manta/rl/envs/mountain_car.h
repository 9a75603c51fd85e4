// MountainCar-v0 and MountainCarContinuous-v0: a weak car in a valley has to swing itself up the hill.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <manta/rl/environment.h>

namespace manta::rl {

/// Gymnasium's MountainCar-v0. Observation: position, velocity. Action: 0 pushes left, 1 does nothing, 2 pushes right.
/// Reward -1 a step. Terminated at position 0.5.
struct MountainCar {
  static constexpr std::string_view kId = "MountainCar-v0";
  static constexpr std::int64_t kMaxEpisodeSteps = 200;

  static Box observation_space();
  static ActionSpace action_space() { return Discrete{3}; }

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::int64_t action, std::span<float> observation);

  double position = 0, velocity = 0;
};

/// Gymnasium's MountainCarContinuous-v0. Observation as above. Action: the force, taken between -1 and 1. Reward: 100
/// at the end, less 0.1 force squared (before it is bounded) a step. Terminated at position 0.45.
struct MountainCarContinuous {
  static constexpr std::string_view kId = "MountainCarContinuous-v0";
  static constexpr std::int64_t kMaxEpisodeSteps = 999;

  static Box observation_space();
  static ActionSpace action_space() { return Box{{-1}, {1}}; }

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::span<const float> action, std::span<float> observation);

  double position = 0, velocity = 0;
  bool first = true;  ///< Gymnasium's state has double precision until the first step, single precision from then on
};

}  // namespace manta::rl
