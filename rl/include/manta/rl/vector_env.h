// Several copies of an environment, stepped together: Gymnasium's vector environments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <manta/rl/space.h>

namespace manta::rl {

/// What happens to an environment whose episode has ended. As gymnasium.vector.AutoresetMode.
enum class AutoresetMode : std::uint8_t {
  next_step,  ///< the next step() resets it: its action is ignored, its reward is 0, terminated and truncated are false
  same_step,  ///< the same step() resets it: returns the new episode's first observation, and final_observations
  disabled,   ///< the caller resets it, with reset_where(), before the next step()
};

/// "next_step" and so on.
std::string_view to_string(AutoresetMode mode);

/// Where a step writes: the caller's memory, row-major, all of it written (final_observations: see there).
struct StepBatch {
  std::span<float> observations;       ///< [num_envs, observation_size]
  std::span<float> rewards;            ///< [num_envs]
  std::span<std::uint8_t> terminated;  ///< [num_envs], 1: the task's own end was reached
  std::span<std::uint8_t> truncated;   ///< [num_envs], 1: the time limit was reached; both may be 1
  /// [num_envs, observation_size], or empty. With same_step, the rows of environments whose episode ended in this step
  /// hold its last observation; other rows are left as they are.
  std::span<float> final_observations{};
};

/// An episode that ended: gymnasium.wrappers.vector.RecordEpisodeStatistics.
struct EpisodeStatistics {
  std::size_t env = 0;        ///< index in the batch
  double episode_return = 0;  ///< sum of its rewards, undiscounted and before any normalisation
  std::int64_t length = 0;    ///< steps
};

/// What algorithms use. make_env() makes those that Manta knows, BatchEnv<E> makes one of your own Environment.
///
///     auto envs = manta::rl::make_env("CartPole-v1", 8);
///     std::vector<float> observations(8 * envs->observation_size()), rewards(8);
///     std::vector<std::uint8_t> terminated(8), truncated(8);
///     envs->reset(/*seed=*/1, observations);
///     for (;;) {
///       const std::vector<std::int64_t> actions = choose(observations);
///       envs->step(actions, {observations, rewards, terminated, truncated});
///       for (const auto& episode : envs->finished_episodes()) show(episode.episode_return, episode.length);
///     }
///
/// **Threading**: one thread at a time. **Ownership**: spans that are passed in are used only during the call; the one
/// that finished_episodes() returns is valid until the next call that is not const. **Errors**: Error(invalid_argument)
/// for spans of a wrong size, actions of a wrong kind or outside a Discrete space, and steps before the first reset or,
/// with `disabled`, after an episode's end; nothing was stepped then.
class VectorEnv {
 public:
  virtual ~VectorEnv() = default;
  VectorEnv() = default;
  VectorEnv(const VectorEnv&) = delete;
  VectorEnv& operator=(const VectorEnv&) = delete;

  /// For people: "CartPole-v1".
  virtual std::string_view id() const = 0;
  virtual std::size_t num_envs() const = 0;
  virtual AutoresetMode autoreset_mode() const = 0;
  virtual const Box& observation_space() const = 0;     ///< of one environment
  virtual const ActionSpace& action_space() const = 0;  ///< of one environment
  std::size_t observation_size() const { return observation_space().size(); }

  /// Starts a new episode in all environments; environment i gets a new generator seeded seed + i, as Gymnasium's do.
  /// observations: [num_envs, observation_size].
  virtual void reset(std::uint64_t seed, std::span<float> observations) = 0;
  /// Starts a new episode where mask is not 0, with the generators going on, and writes those rows of observations:
  /// what Gymnasium's reset(options={"reset_mask": mask}) does. mask: [num_envs].
  virtual void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) = 0;

  /// One step of all environments. Discrete: actions is [num_envs].
  virtual void step(std::span<const std::int64_t> actions, const StepBatch& out) = 0;
  /// Box: actions is [num_envs, action size], taken as they are; see ClipAction.
  virtual void step(std::span<const float> actions, const StepBatch& out) = 0;

  /// Episodes that ended in the last step, by rising index; empty after reset().
  virtual std::span<const EpisodeStatistics> finished_episodes() const = 0;

  /// Everything that decides how it goes on, generators included, as bytes: loaded into one that was made with the same
  /// arguments, it steps on to the bit. load_state: Error(invalid_argument) where the bytes are of another kind.
  virtual std::string save_state() const = 0;
  virtual void load_state(std::string_view state) = 0;
};

}  // namespace manta::rl
