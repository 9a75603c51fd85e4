// Training on several worker processes, with checkpoints and restarts after failures.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <manta/train/checkpoint_store.h>
#include <manta/train/context.h>
#include <manta/train/detail/launch.h>

namespace manta::train {

/// Number and resources of the workers, which are processes of one host.
struct ScalingConfig {
  int num_workers = 1;
  bool use_gpu = false;        ///< each worker gets one GPU; NCCL connects them
  double cpus_per_worker = 1;  ///< also its number of threads, at least one
};

/// What RunConfig::on_report and RunConfig::stop get: one report of rank 0.
struct Report {
  Metrics metrics;
  std::int64_t iteration = 0;        ///< counts the run's reports from 1, also across resumes
  std::filesystem::path checkpoint;  ///< made with it; empty: none. CheckpointConfig may have deleted it since
};

/// A run's folder, checkpoints, logs and limits.
struct RunConfig {
  std::string name;                                      ///< the run's folder; empty: train_DATE_TIME
  std::filesystem::path storage_path = "manta_results";  ///< the parent of that folder
  bool resume = false;                                   ///< continue from the latest checkpoint in it, if any
  CheckpointConfig checkpoint;
  int max_failures = 3;                                     ///< how often the group is restarted; -1: no limit
  bool tensorboard = true;                                  ///< write an event file
  std::chrono::milliseconds join_timeout{60'000};           ///< until all workers have joined the group
  std::chrono::milliseconds collective_timeout{1'800'000};  ///< a rank's longest wait in a collective
  std::function<void(const Report&)> on_report;             ///< called by fit() in its thread
  std::function<bool(const Report&)> stop;                  ///< likewise; true: the run stops at its next checkpoint
};

/// What fit() returns.
struct TrainingResult {
  Metrics metrics;                            ///< of the last report
  std::optional<Checkpoint> checkpoint;       ///< the latest
  std::optional<Checkpoint> best_checkpoint;  ///< by CheckpointConfig::score_attribute; without one: the latest
  std::filesystem::path folder;               ///< of the run
  int restarts = 0;
  bool stopped = false;      ///< ended early by Context::stop, RunConfig::stop or a signal
  bool interrupted = false;  ///< ended by SIGINT or SIGTERM; RunConfig::resume continues the run
};

/// Runs Loop, a function void(Context&, arguments...), on ScalingConfig::num_workers worker processes at once.
///
/// When a worker dies (kill -9, out of memory, its GPU), the whole group restarts in new processes, with the latest
/// checkpoint as Context::checkpoint(). With State and DistributedSampler the training sees the same samples and ends
/// with the same weights as without the failure. The group also restarts when the loop throws Error(unavailable), by
/// which a collective reports a lost rank. Any other exception of the loop is thrown by fit().
///
/// SIGINT or SIGTERM while fit() runs ends the run with the next checkpoint that Context::report makes; a second signal
/// ends the program at once.
///
/// fit() reserves resources for all workers together on one host, waits until a host has them, and keeps them for all
/// attempts. When a rank's loop has returned and another rank's loop calls a collective, that fails at once, and fit()
/// throws Error(invalid_argument), which names both ranks.
///
/// Results are in STORAGE_PATH/NAME/: checkpoint_NNNNNN/ (checkpoint.h), result.json, progress.csv (result_log.h) and a
/// TensorBoard event file.
///
/// **Threading**: one thread; fit() blocks until the training ends. **Ownership**: the workers live as long as fit().
/// **Errors**: fit() throws manta::Error: invalid_argument (no workers, more resources than any node has, a folder that
/// holds checkpoints while resume is false); not_found or exhausted if the folder cannot be created; TaskError with
/// what the loop threw; deadline if a rank did not come to a collective in time; worker_died after max_failures
/// restarts.
///
///     void loop(manta::train::Context& context, const Config& config);
///
///     manta::train::Trainer<loop> trainer({.num_workers = 2}, {.name = "mnist"});
///     manta::train::TrainingResult result = trainer.fit(Config{.learning_rate = 0.05});
template <auto Loop, class File = ThisFile>
class Trainer {
 public:
  explicit Trainer(ScalingConfig scaling, RunConfig run = {}) : scaling_(scaling), run_(std::move(run)) {}

  /// Trains until all loops have returned. Arguments as for remote<f>: all workers read a Ref's value in place; other
  /// values are sent to each worker.
  template <class... As>
  TrainingResult fit(As&&... arguments) {
    using Worker = detail::LoopWorker<Loop, File>;
    const std::tuple<std::decay_t<As>...> given(std::forward<As>(arguments)...);
    const auto start = [&given](const detail::WorkerSetup& setup, const ActorOptions& options) {
      return std::apply(
          [&](const auto&... each) { return detail::start_worker<Worker, File>(setup, options, each...); }, given);
    };
    return detail::fit(scaling_, run_, start);
  }

 private:
  ScalingConfig scaling_;
  RunConfig run_;
};

}  // namespace manta::train
