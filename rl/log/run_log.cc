#include "rl/log/run_log.h"

#include <limits>
#include <numeric>

#include <manta/detail/check_option.h>
#include <manta/error.h>
#include <manta/files/file.h>
#include <manta/report/text.h>

namespace manta::rl::detail {
namespace {

constexpr std::size_t kEpisodes = 100;  // that means are taken of, as Stable-Baselines3 does

double mean(const std::deque<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void keep(std::deque<double>& values, double value) {
  values.push_back(value);
  if (values.size() > kEpisodes) values.pop_front();
}

}  // namespace

RunLog::RunLog(RunConfig config, std::string_view algorithm, std::int64_t total_steps) : config_(std::move(config)) {
  manta::detail::check_option("RunConfig::checkpoint_every", static_cast<double>(config_.checkpoint_every), 0);
  manta::detail::check_option("RunConfig::num_rollout_actors", static_cast<double>(config_.num_rollout_actors), 0);
  manta::detail::check_option("RunConfig::cpus_per_rollout_actor", config_.cpus_per_rollout_actor, 0);
  manta::detail::check_option("RunConfig::max_actor_restarts", static_cast<double>(config_.max_actor_restarts), -1);
  manta::detail::check_option("RunConfig::rollout_timeout", static_cast<double>(config_.rollout_timeout.count()), 0);
  if (config_.show_progress) table_.emplace(total_steps);
  if (config_.storage_path.empty()) {
    if (config_.resume) {
      throw Error(
          ErrorCode::invalid_argument,
          "RunConfig::resume with an empty storage_path. Next: name the folder that the earlier run was kept in.");
    }
    return;
  }
  const std::filesystem::path storage = std::filesystem::absolute(config_.storage_path);
  folder_ = config_.name.empty() ? files::make_dated_folder(storage, algorithm) : storage / config_.name;
  files::make_folders(folder_);
  checkpoints_.emplace(folder_, config_.checkpoint);
  if (const auto latest = checkpoints_->latest(); latest && !config_.resume) {
    throw Error(ErrorCode::invalid_argument,
                folder_.string() + " has checkpoints of an earlier run. Next: set RunConfig::resume to go on from " +
                    latest->folder().filename().string() + ", or give another name.");
  }
  results_.emplace(folder_);
  if (config_.tensorboard) board_.emplace(folder_);
}

void RunLog::start() {
  started_ = std::chrono::steady_clock::now();
  steps_before_ = progress_.steps;
  iterations_here_ = 0;
}

double RunLog::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

void RunLog::episode(std::int64_t step, double episode_return, std::int64_t length) {
  ++progress_.episodes;
  keep(progress_.returns, episode_return);
  keep(progress_.lengths, static_cast<double>(length));
  if (!board_) return;
  board_->add_scalar("charts/episodic_return", episode_return, step);
  board_->add_scalar("charts/episodic_length", static_cast<double>(length), step);
}

void RunLog::iteration(std::int64_t step, Metrics metrics, const std::vector<std::int64_t>& rollout_processes) {
  ++progress_.iteration;
  ++iterations_here_;
  progress_.steps = step;
  const double time = seconds();
  const double rate = time > 0 ? static_cast<double>(step - steps_before_) / time : 0;
  if (!progress_.returns.empty()) {
    metrics["rollout/ep_rew_mean"] = mean(progress_.returns);
    metrics["rollout/ep_len_mean"] = mean(progress_.lengths);
  }
  metrics["charts/SPS"] = rate;
  metrics["time/fps"] = rate;
  metrics["time/time_elapsed"] = time;
  metrics["time/iterations"] = static_cast<double>(progress_.iteration);
  metrics["time/total_timesteps"] = static_cast<double>(step);
  metrics_ = std::move(metrics);
  if (board_) board_->add_scalars(metrics_, step);
  if (results_) results_->add(metrics_);
  if (table_) table_->show(metrics_);
  if (config_.on_report) config_.on_report({metrics_, progress_.iteration, step, rollout_processes});
}

void RunLog::refuse_loss(double loss) const {
  throw Error(ErrorCode::invalid_argument,
              "the loss is " + report::as_number(loss, "NaN", "infinity") + " in iteration " +
                  std::to_string(progress_.iteration + 1) + ", which began after " + std::to_string(progress_.steps) +
                  " steps. Next: give a lower learning_rate, or rewards of a smaller scale.");
}

bool RunLog::reached(const std::optional<double>& mean_return) const {
  return mean_return && progress_.returns.size() == kEpisodes && mean(progress_.returns) >= *mean_return;
}

bool RunLog::checkpoint_is_due() const {
  return checkpoints_ && config_.checkpoint_every > 0 && progress_.iteration % config_.checkpoint_every == 0;
}

void RunLog::save(const train::State& state) {
  if (checkpoints_) checkpoints_->save(state, {.metrics = metrics_, .step = progress_.steps});
}

std::optional<train::Checkpoint> RunLog::to_resume() const {
  return checkpoints_ && config_.resume ? checkpoints_->latest() : std::nullopt;
}

TrainingResult RunLog::finish(const std::optional<double>& stop_at_return) {
  if (table_ && iterations_here_ > 0) table_->show(metrics_, true);
  if (board_) board_->flush();
  TrainingResult result;
  result.metrics = metrics_;
  result.mean_return = mean(progress_.returns);
  result.mean_length = mean(progress_.lengths);
  result.steps = progress_.steps;
  result.episodes = progress_.episodes;
  result.reached_return = reached(stop_at_return);
  result.time = std::chrono::duration<double>(seconds());
  if (checkpoints_) result.checkpoint = checkpoints_->latest();
  result.folder = folder_;
  return result;
}

}  // namespace manta::rl::detail
