// A VectorEnv of any Environment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/rl/detail/batch_checks.h>
#include <manta/rl/detail/step_threads.h>
#include <manta/rl/environment.h>
#include <manta/rl/make_env.h>
#include <manta/rl/vector_env.h>

namespace manta::rl {

/// num_envs copies of an environment, stepped one after the other, or by num_threads threads. See VectorEnv for use,
/// threading and errors.
///
///     manta::rl::BatchEnv<Corridor> envs(16, {.autoreset = manta::rl::AutoresetMode::same_step});
///
/// prototype: what the copies are made of, for an environment with settings.
template <Environment E>
class BatchEnv final : public VectorEnv {
 public:
  explicit BatchEnv(std::size_t num_envs, const EnvOptions& options = {}, const E& prototype = E())
      : mode_(options.autoreset),
        limit_(detail::checked_limit(E::kId, num_envs, options, E::kMaxEpisodeSteps)),
        observation_space_(detail::checked_space(E::kId, prototype.observation_space())),
        action_space_(detail::checked_space(E::kId, prototype.action_space())),
        slots_(num_envs, Slot{prototype, Rng(), {}}),
        threads_(options.num_threads),
        parts_(threads_.size()) {}

  std::string_view id() const override { return E::kId; }
  std::size_t num_envs() const override { return slots_.size(); }
  AutoresetMode autoreset_mode() const override { return mode_; }
  const Box& observation_space() const override { return observation_space_; }
  const ActionSpace& action_space() const override { return action_space_; }

  void reset(std::uint64_t seed, std::span<float> observations) override {
    detail::check_rows(*this, "observations", observations.size(), observation_size());
    finished_.clear();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].rng = Rng(seed + i);
      start(i, row(observations, i));
    }
  }

  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override {
    detail::check_rows(*this, "mask", mask.size(), 1);
    detail::check_rows(*this, "observations", observations.size(), observation_size());
    finished_.clear();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (mask[i] != 0) start(i, row(observations, i));
    }
  }

  void step(std::span<const std::int64_t> actions, const StepBatch& out) override {
    if constexpr (DiscreteEnvironment<E>) {
      detail::check_step(*this, actions.size(), out);
      detail::check_discrete(*this, actions);
      step_all(out, [&](std::size_t i) { return actions[i]; });
    } else {
      detail::throw_wrong_actions(*this);
    }
  }

  void step(std::span<const float> actions, const StepBatch& out) override {
    if constexpr (BoxEnvironment<E>) {
      detail::check_step(*this, actions.size(), out);
      const std::size_t size = action_size(action_space_);
      step_all(out, [&](std::size_t i) { return actions.subspan(i * size, size); });
    } else {
      detail::throw_wrong_actions(*this);
    }
  }

  std::span<const EpisodeStatistics> finished_episodes() const override { return finished_; }

  std::string save_state() const override {
    serial::Writer writer;
    const auto head = detail::head_of(*this);
    writer(head);
    for (const Slot& slot : slots_) writer(slot.env, slot.rng, slot.episode);
    return detail::bytes_of(writer);
  }

  void load_state(std::string_view state) override {
    std::vector<Slot> slots = slots_;
    detail::read_state(*this, state, [&](serial::Reader& reader) {
      for (Slot& slot : slots) reader(slot.env, slot.rng, slot.episode);
    });
    slots_ = std::move(slots);
    finished_.clear();
  }

 private:
  enum class Phase : std::uint8_t { not_reset, running, ended };
  struct Episode {
    double episode_return = 0;
    std::int64_t length = 0;
    Phase phase = Phase::not_reset;
  };
  struct Slot {
    E env;
    Rng rng;
    Episode episode;
  };

  std::span<float> row(std::span<float> rows, std::size_t i) const {
    return rows.subspan(i * observation_space_.size(), observation_space_.size());
  }

  void start(std::size_t i, std::span<float> observation) {
    slots_[i].episode = {.phase = Phase::running};
    slots_[i].env.reset(slots_[i].rng, observation);
  }

  template <class ActionOf>
  void step_all(const StepBatch& out, ActionOf action_of) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const Phase phase = slots_[i].episode.phase;
      if (phase == Phase::not_reset || (phase == Phase::ended && mode_ == AutoresetMode::disabled)) {
        detail::throw_not_reset(*this, i, phase == Phase::ended);
      }
    }
    finished_.clear();
    if (threads_.size() == 1) {
      for (std::size_t i = 0; i < slots_.size(); ++i) step_one(i, action_of(i), out, finished_);
      return;
    }
    threads_.run(slots_.size(), [&](std::size_t part, std::size_t from, std::size_t to) {
      parts_[part].clear();
      for (std::size_t i = from; i < to; ++i) step_one(i, action_of(i), out, parts_[part]);
    });
    for (const auto& part : parts_) finished_.insert(finished_.end(), part.begin(), part.end());
  }

  template <class Action>
  void step_one(std::size_t i, Action action, const StepBatch& out, std::vector<EpisodeStatistics>& finished) {
    auto& [env, rng, episode] = slots_[i];
    const std::span<float> observation = row(out.observations, i);
    if (episode.phase == Phase::ended) {
      start(i, observation);
      out.rewards[i] = 0;
      out.terminated[i] = out.truncated[i] = 0;
      return;
    }
    const Transition transition = env.step(action, observation);
    episode.episode_return += transition.reward;
    ++episode.length;
    const bool truncated = transition.truncated || episode.length == limit_;
    out.rewards[i] = static_cast<float>(transition.reward);
    out.terminated[i] = transition.terminated;
    out.truncated[i] = truncated;
    if (!transition.terminated && !truncated) return;
    finished.push_back({i, episode.episode_return, episode.length});
    episode.phase = Phase::ended;
    if (mode_ != AutoresetMode::same_step) return;
    if (!out.final_observations.empty()) std::ranges::copy(observation, row(out.final_observations, i).begin());
    start(i, observation);
  }

  AutoresetMode mode_;
  std::int64_t limit_;
  Box observation_space_;
  ActionSpace action_space_;
  std::vector<Slot> slots_;
  std::vector<EpisodeStatistics> finished_;
  detail::StepThreads threads_;
  std::vector<std::vector<EpisodeStatistics>> parts_;  // of each thread
};

}  // namespace manta::rl
