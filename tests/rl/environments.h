// Environments of the tests' own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <manta/rl/env.h>

// A corridor of eleven places: 1 goes right, 0 left; the right end ends it with a reward.
struct Corridor {
  static constexpr std::string_view kId = "Corridor";
  static constexpr std::int64_t kMaxEpisodeSteps = 50;
  static manta::rl::Box observation_space() { return {{0}, {1}}; }
  static manta::rl::ActionSpace action_space() { return manta::rl::Discrete{2}; }

  void reset(manta::rl::Rng& rng, std::span<float> observation) {
    at = static_cast<std::int64_t>(rng.below(6));
    observation[0] = static_cast<float>(at) / 10;
  }
  manta::rl::Transition step(std::int64_t action, std::span<float> observation) {
    at = std::max<std::int64_t>(at + (action == 1 ? 1 : -1), 0);
    observation[0] = static_cast<float>(at) / 10;
    return {.reward = at >= 10 ? 1.0 : -0.01, .terminated = at >= 10};
  }

  std::int64_t at = 0;
};

// A CartPole whose process kills itself in the midst of a step: after each so many steps of an environment, for as long
// as there is a file "PREFIX.NUMBER" to be made, of `deaths`.
struct DyingCartPole : manta::rl::CartPole {
  static constexpr std::string_view kId = "DyingCartPole";

  void reset(manta::rl::Rng& rng, std::span<float> observation) { manta::rl::CartPole::reset(rng, observation); }
  manta::rl::Transition step(std::int64_t action, std::span<float> observation) {
    if (++steps % each == 0) die();
    return manta::rl::CartPole::step(action, observation);
  }
  void die() const {
    for (std::int64_t i = 0; i < deaths; ++i) {
      const std::string file = prefix + "." + std::to_string(i);
      const int made = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
      if (made < 0) continue;
      ::close(made);
      ::kill(::getpid(), SIGKILL);
    }
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(x, x_dot, theta, theta_dot, prefix, each, deaths, steps);
  }

  std::string prefix;
  std::int64_t each = 1, deaths = 0, steps = 0;
};
