// How to write an environment.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

#include <manta/rl/rng.h>
#include <manta/rl/space.h>
#include <manta/serial/serializable.h>

namespace manta::rl {

/// What a step says beside the observation.
struct Transition {
  double reward = 0;
  bool terminated = false;  ///< the task's own end
  bool truncated = false;   ///< another end; the time limit is BatchEnv's
};

/// One environment is a small struct. Everything that decides how it goes on is in it and serialisable
/// (<manta/serialize.h>: a plain struct is), but for the generator, which it is given. Observations are written in
/// place, in full.
///
///     struct Corridor {
///       static constexpr std::string_view kId = "Corridor";
///       static constexpr std::int64_t kMaxEpisodeSteps = 100;              // truncated after so many; 0: never
///       static Box observation_space() { return {{0}, {10}}; }
///       static ActionSpace action_space() { return Discrete{2}; }
///
///       void reset(Rng& rng, std::span<float> observation) { observation[0] = x = std::floor(rng.uniform(0, 5)); }
///       Transition step(std::int64_t action, std::span<float> observation) {   // Box: std::span<const float> action
///         observation[0] = x = std::max(0.0f, x + (action == 1 ? 1 : -1));
///         return {.reward = x >= 10 ? 1.0 : 0.0, .terminated = x >= 10};
///       }
///
///       float x = 0;
///     };
///
/// A Discrete action is checked before step() sees it; a Box action is passed on as it is. Exceptions pass through the
/// batch, which can then only be reset or destroyed.
template <class E>
concept DiscreteEnvironment = requires(E env, std::int64_t action, std::span<float> observation) {
  { env.step(action, observation) } -> std::same_as<Transition>;
};
/// An environment whose actions are vectors of floats.
template <class E>
concept BoxEnvironment = requires(E env, std::span<const float> action, std::span<float> observation) {
  { env.step(action, observation) } -> std::same_as<Transition>;
};
/// An environment for BatchEnv: copyable, serialisable, with these members.
template <class E>
concept Environment = std::copy_constructible<E> && serial::Serializable<E> &&
    (DiscreteEnvironment<E> || BoxEnvironment<E>)&&requires(E env, Rng& rng, std::span<float> observation) {
  { E::kId } -> std::convertible_to<std::string_view>;
  { E::kMaxEpisodeSteps } -> std::convertible_to<std::int64_t>;
  { env.observation_space() } -> std::same_as<Box>;
  { env.action_space() } -> std::same_as<ActionSpace>;
  env.reset(rng, observation);
};

}  // namespace manta::rl
