// Wrappers around vector environments: bounded actions, normalised observations and rewards. As Gymnasium's of the
// same names (gymnasium.wrappers.vector).
//
//   auto envs = manta::rl::make_env("HalfCheetah-v5", 8);
//   envs = std::make_unique<manta::rl::ClipAction>(std::move(envs));
//   envs = std::make_unique<manta::rl::NormalizeObservation>(std::move(envs));
//   const manta::rl::NormalizeRewardOptions options{.gamma = 0.99};
//   envs = std::make_unique<manta::rl::NormalizeReward>(std::move(envs), options);
//
// Threading and errors: as VectorEnv. Ownership: a wrapper owns what it wraps. save_state() of the outermost covers
// all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <manta/rl/running_statistics.h>
#include <manta/rl/vector_env.h>

namespace manta::rl {

/// Passes everything on: what wrappers, also your own, derive from.
class VectorEnvWrapper : public VectorEnv {
 public:
  /// Error(invalid_argument) where env is null.
  explicit VectorEnvWrapper(std::unique_ptr<VectorEnv> env);

  std::string_view id() const override { return env_->id(); }
  std::size_t num_envs() const override { return env_->num_envs(); }
  AutoresetMode autoreset_mode() const override { return env_->autoreset_mode(); }
  const Box& observation_space() const override { return env_->observation_space(); }
  const ActionSpace& action_space() const override { return env_->action_space(); }
  void reset(std::uint64_t seed, std::span<float> observations) override { env_->reset(seed, observations); }
  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override {
    env_->reset_where(mask, observations);
  }
  void step(std::span<const std::int64_t> actions, const StepBatch& out) override { env_->step(actions, out); }
  void step(std::span<const float> actions, const StepBatch& out) override { env_->step(actions, out); }
  std::span<const EpisodeStatistics> finished_episodes() const override { return env_->finished_episodes(); }
  std::string save_state() const override { return env_->save_state(); }
  void load_state(std::string_view state) override { env_->load_state(state); }

  VectorEnv& env() { return *env_; }
  const VectorEnv& env() const { return *env_; }

 private:
  std::unique_ptr<VectorEnv> env_;
};

/// Bounds Box actions to the environment's own bounds; its action space has none, as Gymnasium's. NaN passes through.
class ClipAction final : public VectorEnvWrapper {
 public:
  /// Error(invalid_argument) where actions are not a Box.
  explicit ClipAction(std::unique_ptr<VectorEnv> env);

  const ActionSpace& action_space() const override { return unbounded_; }
  using VectorEnvWrapper::step;
  void step(std::span<const float> actions, const StepBatch& out) override;

 private:
  ActionSpace unbounded_;
  std::vector<float> clipped_;  // [num_envs, action size]
};

/// For NormalizeObservation.
struct NormalizeObservationOptions {
  double epsilon = 1e-8;  ///< added to the variance
  bool update = true;     ///< false: frozen, for evaluation
};

/// Observations minus their running mean, over the root of their running variance. Every batch of observations updates
/// the statistics before it is normalised with them. Final observations (same_step) are normalised and not counted;
/// reset_where() counts the rows that it resets.
class NormalizeObservation final : public VectorEnvWrapper {
 public:
  explicit NormalizeObservation(std::unique_ptr<VectorEnv> env, const NormalizeObservationOptions& options = {});

  const Box& observation_space() const override { return unbounded_; }
  void reset(std::uint64_t seed, std::span<float> observations) override;
  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override;
  void step(std::span<const std::int64_t> actions, const StepBatch& out) override;
  void step(std::span<const float> actions, const StepBatch& out) override;
  std::string save_state() const override;
  void load_state(std::string_view state) override;

  const RunningStatistics& statistics() const { return statistics_; }
  /// Error(invalid_argument) where they are of another size.
  void set_statistics(RunningStatistics statistics);
  /// What was counted since the last call: for merging with other actors'.
  RunningStatistics take_seen();
  void set_update(bool update) { options_.update = update; }
  /// Normalises observations in place, and counts nothing.
  void normalize(std::span<float> observations) const;

 private:
  void count(std::span<const float> observations);
  void finish_step(const StepBatch& out);

  NormalizeObservationOptions options_;
  Box unbounded_;
  RunningStatistics statistics_;
  RunningStatistics seen_;
};

/// For NormalizeReward.
struct NormalizeRewardOptions {
  double gamma = 0.99;    ///< of the discounted return
  double epsilon = 1e-8;  ///< added to the variance
  bool update = true;     ///< false: frozen
};

/// Rewards over the root of the running variance of the discounted return, which is summed forward per environment.
/// Returns in finished_episodes() stay as they are.
class NormalizeReward final : public VectorEnvWrapper {
 public:
  explicit NormalizeReward(std::unique_ptr<VectorEnv> env, const NormalizeRewardOptions& options = {});

  void reset(std::uint64_t seed, std::span<float> observations) override;
  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override;
  void step(std::span<const std::int64_t> actions, const StepBatch& out) override;
  void step(std::span<const float> actions, const StepBatch& out) override;
  std::string save_state() const override;
  void load_state(std::string_view state) override;

  /// Of the discounted return, size 1. As NormalizeObservation's.
  const RunningStatistics& statistics() const { return statistics_; }
  void set_statistics(RunningStatistics statistics);
  RunningStatistics take_seen();
  void set_update(bool update) { options_.update = update; }

 private:
  void finish_step(const StepBatch& out);

  NormalizeRewardOptions options_;
  RunningStatistics statistics_;
  RunningStatistics seen_;
  std::vector<float> returns_;       // [num_envs], discounted
  std::vector<std::uint8_t> ended_;  // [num_envs], in the last step
  std::vector<float> active_;        // scratch: returns of the environments that stepped
};

}  // namespace manta::rl
