#include <manta/rl/wrappers.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <manta/error.h>
#include <manta/rl/detail/batch_checks.h>

namespace manta::rl {
namespace {

constexpr float kNone = std::numeric_limits<float>::infinity();

Box unbounded(std::size_t size) { return {std::vector<float>(size, -kNone), std::vector<float>(size, kNone)}; }

[[noreturn]] void refuse(const VectorEnv& env, std::string_view wrapper, const std::string& why) {
  throw Error(ErrorCode::invalid_argument, std::string(wrapper) + " of " + std::string(env.id()) + ": " + why);
}

void check_positive(const VectorEnv& env, std::string_view wrapper, double epsilon) {
  if (!(epsilon > 0)) refuse(env, wrapper, "epsilon is " + std::to_string(epsilon) + "; it is more than 0");
}

void check_size(const VectorEnv& env, std::string_view wrapper, const RunningStatistics& have, std::size_t want) {
  if (have.mean.size() == want && have.variance.size() == want) return;
  refuse(env, wrapper, "statistics of " + std::to_string(have.size()) + " components; it has " + std::to_string(want));
}

}  // namespace

VectorEnvWrapper::VectorEnvWrapper(std::unique_ptr<VectorEnv> env) : env_(std::move(env)) {
  if (env_ == nullptr) throw Error(ErrorCode::invalid_argument, "a wrapper needs an environment, not a null pointer");
}

ClipAction::ClipAction(std::unique_ptr<VectorEnv> wrapped) : VectorEnvWrapper(std::move(wrapped)) {
  const auto* box = std::get_if<Box>(&env().action_space());
  if (box == nullptr) refuse(env(), "ClipAction", "its actions are discrete: there is nothing to bound");
  unbounded_ = unbounded(box->size());
  clipped_.resize(num_envs() * box->size());
}

void ClipAction::step(std::span<const float> actions, const StepBatch& out) {
  const Box& box = std::get<Box>(env().action_space());
  detail::check_rows(*this, "actions", actions.size(), box.size());
  for (std::size_t i = 0; i < actions.size(); ++i) {
    clipped_[i] = std::clamp(actions[i], box.low[i % box.size()], box.high[i % box.size()]);
  }
  env().step(std::span<const float>(clipped_), out);
}

NormalizeObservation::NormalizeObservation(std::unique_ptr<VectorEnv> wrapped,
                                           const NormalizeObservationOptions& options)
    : VectorEnvWrapper(std::move(wrapped)),
      options_(options),
      unbounded_(unbounded(env().observation_size())),
      statistics_(RunningStatistics::initial(unbounded_.size())),
      seen_(RunningStatistics::none(unbounded_.size())) {
  check_positive(env(), "NormalizeObservation", options.epsilon);
}

void NormalizeObservation::count(std::span<const float> observations) {
  if (!options_.update) return;
  statistics_.update(observations);
  seen_.update(observations);
}

void NormalizeObservation::normalize(std::span<float> observations) const {
  const std::size_t size = statistics_.size();
  for (std::size_t column = 0; column < size; ++column) {
    const double mean = statistics_.mean[column];
    const double scale = 1 / std::sqrt(statistics_.variance[column] + options_.epsilon);
    for (std::size_t i = column; i < observations.size(); i += size) {
      observations[i] = static_cast<float>((observations[i] - mean) * scale);
    }
  }
}

void NormalizeObservation::reset(std::uint64_t seed, std::span<float> observations) {
  env().reset(seed, observations);
  count(observations);
  normalize(observations);
}

void NormalizeObservation::reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) {
  env().reset_where(mask, observations);
  const std::size_t size = statistics_.size();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) count(observations.subspan(i * size, size));
  }
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) normalize(observations.subspan(i * size, size));
  }
}

void NormalizeObservation::step(std::span<const std::int64_t> actions, const StepBatch& out) {
  env().step(actions, out);
  finish_step(out);
}

void NormalizeObservation::step(std::span<const float> actions, const StepBatch& out) {
  env().step(actions, out);
  finish_step(out);
}

void NormalizeObservation::finish_step(const StepBatch& out) {
  count(out.observations);
  normalize(out.observations);
  if (autoreset_mode() != AutoresetMode::same_step || out.final_observations.empty()) return;
  const std::size_t size = statistics_.size();
  for (const EpisodeStatistics& episode : finished_episodes()) {
    normalize(out.final_observations.subspan(episode.env * size, size));
  }
}

void NormalizeObservation::set_statistics(RunningStatistics statistics) {
  check_size(*this, "NormalizeObservation", statistics, statistics_.size());
  statistics_ = std::move(statistics);
}

RunningStatistics NormalizeObservation::take_seen() {
  return std::exchange(seen_, RunningStatistics::none(seen_.size()));
}

std::string NormalizeObservation::save_state() const {
  serial::Writer writer;
  const auto head = detail::head_of(*this);
  const std::string inner = env().save_state();
  writer(head, statistics_, seen_, inner);
  return detail::bytes_of(writer);
}

void NormalizeObservation::load_state(std::string_view state) {
  RunningStatistics statistics, seen;
  std::string inner;
  detail::read_state(*this, state, [&](serial::Reader& reader) {
    reader(statistics, seen, inner);
    check_size(*this, "NormalizeObservation", statistics, statistics_.size());
    check_size(*this, "NormalizeObservation", seen, statistics_.size());
  });
  env().load_state(inner);
  statistics_ = std::move(statistics);
  seen_ = std::move(seen);
}

NormalizeReward::NormalizeReward(std::unique_ptr<VectorEnv> wrapped, const NormalizeRewardOptions& options)
    : VectorEnvWrapper(std::move(wrapped)),
      options_(options),
      statistics_(RunningStatistics::initial(1)),
      seen_(RunningStatistics::none(1)),
      returns_(num_envs()),
      ended_(num_envs()) {
  check_positive(env(), "NormalizeReward", options.epsilon);
  if (!(options.gamma >= 0 && options.gamma <= 1)) {
    refuse(env(), "NormalizeReward", "gamma is " + std::to_string(options.gamma) + "; it is 0 to 1");
  }
}

void NormalizeReward::reset(std::uint64_t seed, std::span<float> observations) {
  env().reset(seed, observations);
  std::ranges::fill(returns_, 0.0F);
  std::ranges::fill(ended_, std::uint8_t{0});
}

void NormalizeReward::reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) {
  env().reset_where(mask, observations);
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] != 0) returns_[i] = 0, ended_[i] = 0;
  }
}

void NormalizeReward::step(std::span<const std::int64_t> actions, const StepBatch& out) {
  env().step(actions, out);
  finish_step(out);
}

void NormalizeReward::step(std::span<const float> actions, const StepBatch& out) {
  env().step(actions, out);
  finish_step(out);
}

// Gymnasium's order, which next_step shows: the step that resets an environment is no step of an episode, and the
// return is not cleared by a truncation.
void NormalizeReward::finish_step(const StepBatch& out) {
  const bool same_step = autoreset_mode() == AutoresetMode::same_step;
  active_.clear();
  for (std::size_t i = 0; i < returns_.size(); ++i) {
    if (ended_[i] != 0 && !same_step) continue;
    const auto kept = returns_[i] * static_cast<float>(options_.gamma) * (out.terminated[i] != 0 ? 0.0F : 1.0F);
    returns_[i] = kept + out.rewards[i];
    active_.push_back(returns_[i]);
  }
  if (options_.update) {
    statistics_.update(active_);
    seen_.update(active_);
  }
  const double scale = 1 / std::sqrt(statistics_.variance[0] + options_.epsilon);
  for (std::size_t i = 0; i < returns_.size(); ++i) {
    out.rewards[i] = static_cast<float>(out.rewards[i] * scale);
    ended_[i] = out.terminated[i] | out.truncated[i];
    if (same_step && ended_[i] != 0) returns_[i] = 0;
  }
}

void NormalizeReward::set_statistics(RunningStatistics statistics) {
  check_size(*this, "NormalizeReward", statistics, 1);
  statistics_ = std::move(statistics);
}

RunningStatistics NormalizeReward::take_seen() { return std::exchange(seen_, RunningStatistics::none(1)); }

std::string NormalizeReward::save_state() const {
  serial::Writer writer;
  const auto head = detail::head_of(*this);
  const std::string inner = env().save_state();
  writer(head, statistics_, seen_, returns_, ended_, inner);
  return detail::bytes_of(writer);
}

void NormalizeReward::load_state(std::string_view state) {
  RunningStatistics statistics, seen;
  std::vector<float> returns;
  std::vector<std::uint8_t> ended;
  std::string inner;
  detail::read_state(*this, state, [&](serial::Reader& reader) {
    reader(statistics, seen, returns, ended, inner);
    check_size(*this, "NormalizeReward", statistics, 1);
    check_size(*this, "NormalizeReward", seen, 1);
    if (returns.size() != num_envs() || ended.size() != num_envs()) {
      throw Error(ErrorCode::invalid_argument, "parts of it are of another size");
    }
  });
  env().load_state(inner);
  statistics_ = std::move(statistics);
  seen_ = std::move(seen);
  returns_ = std::move(returns);
  ended_ = std::move(ended);
}

}  // namespace manta::rl
