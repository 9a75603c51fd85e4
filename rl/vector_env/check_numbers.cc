#include "rl/vector_env/check_numbers.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <manta/error.h>
#include <manta/rl/detail/batch_checks.h>

namespace manta::rl::detail {
namespace {

bool all_finite(std::span<const float> values) {
  float sum = 0;  // NaN where one is not finite; vectorised, unlike a search for the first
  for (const float value : values) sum += value * 0;
  return sum == 0;
}

}  // namespace

CheckNumbers::CheckNumbers(std::unique_ptr<VectorEnv> env, std::int64_t first)
    : VectorEnvWrapper(std::move(env)), first_(first), lengths_(num_envs()) {}

void CheckNumbers::check_rows(const char* what, std::span<const float> rows, std::size_t width) const {
  if (all_finite(rows)) return;
  for (std::size_t i = 0; i < num_envs(); ++i) check_row(what, rows, width, i);
}

void CheckNumbers::check_row(const char* what, std::span<const float> rows, std::size_t width, std::size_t i) const {
  const std::span<const float> row = rows.subspan(i * width, width);
  const auto wrong = std::ranges::find_if(row, [](float value) { return !std::isfinite(value); });
  if (wrong == row.end()) return;
  std::string text = std::string(id()) + ": the " + what;
  if (width > 1) text += "[" + std::to_string(wrong - row.begin()) + "]";
  text += " of environment " + std::to_string(first_ + static_cast<std::int64_t>(i)) + " is " +
          (std::isnan(*wrong) ? "NaN"
           : *wrong > 0       ? "infinity"
                              : "-infinity");
  text += lengths_[i] == 0 ? " after its reset" : " in step " + std::to_string(lengths_[i]) + " of its episode";
  throw Error(ErrorCode::invalid_argument,
              text + ". Next: see what the environment computes there; observations and rewards are finite numbers.");
}

void CheckNumbers::reset(std::uint64_t seed, std::span<float> observations) {
  env().reset(seed, observations);
  std::ranges::fill(lengths_, 0);
  check_rows("observation", observations, observation_size());
}

void CheckNumbers::reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) {
  env().reset_where(mask, observations);
  const std::size_t width = observation_size();
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    lengths_[i] = 0;
    check_row("observation", observations, width, i);
  }
}

void CheckNumbers::step(std::span<const std::int64_t> actions, const StepBatch& out) {
  env().step(actions, out);
  check_step(out);
}

void CheckNumbers::step(std::span<const float> actions, const StepBatch& out) {
  env().step(actions, out);
  check_step(out);
}

void CheckNumbers::check_step(const StepBatch& out) {
  const std::size_t width = observation_size();
  for (std::int64_t& length : lengths_) ++length;
  check_rows("reward", out.rewards, 1);
  const bool resets = autoreset_mode() == AutoresetMode::same_step;
  for (const EpisodeStatistics& episode : finished_episodes()) {
    // The last observation of the episode first, while its length is known; then the next one's first.
    if (resets && !out.final_observations.empty()) {
      check_row("observation", out.final_observations, width, episode.env);
    }
    if (resets) lengths_[episode.env] = 0;
  }
  check_rows("observation", out.observations, width);
  if (resets) return;
  for (const EpisodeStatistics& episode : finished_episodes()) {
    lengths_[episode.env] = autoreset_mode() == AutoresetMode::next_step ? -1 : 0;  // the next step resets it
  }
}

std::string CheckNumbers::save_state() const {
  serial::Writer writer;
  const auto head = head_of(*this);
  const std::string envs = env().save_state();
  writer(head, lengths_, envs);
  return bytes_of(writer);
}

void CheckNumbers::load_state(std::string_view state) {
  std::vector<std::int64_t> lengths;
  std::string envs;
  read_state(*this, state, [&](serial::Reader& reader) { reader(lengths, envs); });
  if (lengths.size() != num_envs()) throw_wrong_state(*this, "it has lengths of " + std::to_string(lengths.size()));
  env().load_state(envs);
  lengths_ = std::move(lengths);
}

}  // namespace manta::rl::detail
