// What a run writes and remembers of itself: episodes, curves, checkpoints.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <manta/report/result_log.h>
#include <manta/report/tensorboard.h>
#include <manta/rl/run.h>

#include "rl/log/progress_table.h"

namespace manta::rl::detail {

// Threading: one thread. Errors: the constructor throws Error(invalid_argument) for a folder that cannot be used, or
// that has checkpoints which the run does not resume from.
class RunLog {
 public:
  // algorithm: "ppo", for the names of folders.
  RunLog(RunConfig config, std::string_view algorithm, std::int64_t total_steps);

  // What a checkpoint must hold of it: counters, and the last episodes.
  struct Progress {
    std::int64_t iteration = 0, steps = 0, episodes = 0;
    std::deque<double> returns, lengths;  // of the last 100 episodes
  };
  const Progress& progress() const { return progress_; }
  void set_progress(Progress progress) { progress_ = std::move(progress); }

  // The time that counts as training starts.
  void start();
  // An episode that ended at that step of the run.
  void episode(std::int64_t step, double episode_return, std::int64_t length);
  // An iteration that ended at that step. metrics: what the algorithm says; means of episodes, rate and time are added.
  void iteration(std::int64_t step, Metrics metrics, const std::vector<std::int64_t>& rollout_processes = {});
  // Throws Error(invalid_argument): a loss that is no number, in the iteration that is under way.
  [[noreturn]] void refuse_loss(double loss) const;
  // Whether the last 100 episodes are as good as that.
  bool reached(const std::optional<double>& mean_return) const;
  // Whether checkpoint_every asks for one after this iteration.
  bool checkpoint_is_due() const;

  // Where nothing is written: does nothing.
  void save(const train::State& state);
  // Nothing where the run starts anew.
  std::optional<train::Checkpoint> to_resume() const;

  TrainingResult finish(const std::optional<double>& stop_at_return);

 private:
  double seconds() const;

  RunConfig config_;
  std::filesystem::path folder_;
  std::optional<train::CheckpointStore> checkpoints_;
  std::optional<report::ResultLog> results_;
  std::optional<report::TensorBoardWriter> board_;
  std::optional<ProgressTable> table_;
  Progress progress_;
  Metrics metrics_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::int64_t steps_before_ = 0;
  std::int64_t iterations_here_ = 0;
};

}  // namespace manta::rl::detail
