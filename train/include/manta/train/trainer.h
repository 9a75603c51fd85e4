// Training on several worker processes, with checkpoints, and restarts after failures.
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

// Workers are processes of one host.
struct ScalingConfig {
  int num_workers = 1;
  bool use_gpu = false;        // one GPU for each worker, and NCCL between them
  double cpus_per_worker = 1;  // and threads, at least one
};

struct Report {
  Metrics metrics;
  std::int64_t iteration = 0;        // 1 for the first report of the run, resumed ones included
  std::filesystem::path checkpoint;  // taken with it, empty: none. A better one may have taken its place since
};

struct RunConfig {
  std::string name;                                      // of the run's folder; empty: train_DATE_TIME
  std::filesystem::path storage_path = "manta_results";  // where that folder is
  bool resume = false;                                   // go on from the latest checkpoint in it, if it has one
  CheckpointConfig checkpoint;
  int max_failures = 3;                                     // how often the group is started again; -1: for ever
  bool tensorboard = true;                                  // write an event file
  std::chrono::milliseconds join_timeout{60'000};           // for all workers to be there
  std::chrono::milliseconds collective_timeout{1'800'000};  // how long a rank waits in a collective for the others
  std::function<void(const Report&)> on_report;             // called by fit(), in its thread
  std::function<bool(const Report&)> stop;                  // likewise; true: the run stops at its next checkpoint
};

// What fit() returns.
struct TrainingResult {
  Metrics metrics;                            // of the last report
  std::optional<Checkpoint> checkpoint;       // the latest
  std::optional<Checkpoint> best_checkpoint;  // by CheckpointConfig::score_attribute; without one: the latest
  std::filesystem::path folder;               // of the run
  int restarts = 0;
  bool stopped = false;      // before its time: by Context::stop, RunConfig::stop or a signal
  bool interrupted = false;  // by SIGINT or SIGTERM; RunConfig::resume goes on from the checkpoint
};

// Runs Loop, a function void(Context&, arguments...), on ScalingConfig::num_workers worker processes at once.
//
// Where a worker dies (kill -9, out of memory, its GPU), the whole group is started again, in new processes, with the
// latest checkpoint as Context::checkpoint(): with State and DistributedSampler the training sees the same samples and
// ends with the same weights as without the failure. So it is where the loop throws Error(unavailable), which is how a
// collective says that a rank is gone. Any other exception of the loop is not repeated: fit() throws it.
//
// SIGINT or SIGTERM while fit() runs ends the run well, with the next checkpoint that Context::report makes; a second one
// ends the program at once.
//
// The workers are reserved together on one host, and kept for all attempts: fit() waits until a host has room for all.
// Collectives of ranks whose loop goes on after another rank's has returned fail at once, and fit() throws
// invalid_argument that names both ranks.
//
// Results: STORAGE_PATH/NAME/ with checkpoint_NNNNNN/ (checkpoint.h), result.json, progress.csv (result_log.h) and a
// TensorBoard event file.
//
// Threading: fit() blocks; one thread. Ownership: the workers live as long as fit(). Errors: fit() throws manta::Error:
// invalid_argument (no worker, resources that no node has for all workers together, a run's folder that holds checkpoints without resume), those of
// a file (not_found, exhausted) where that folder cannot be made,
// TaskError what the loop threw, deadline where a rank did not come to a collective in time, worker_died when
// max_failures is used up.
//
//   void loop(manta::train::Context& context, const Config& config);
//
//   manta::train::Trainer<loop> trainer({.num_workers = 2}, {.name = "mnist"});
//   manta::train::TrainingResult result = trainer.fit(Config{.learning_rate = 0.05});
template <auto Loop, class File = ThisFile>
class Trainer {
 public:
  explicit Trainer(ScalingConfig scaling, RunConfig run = {}) : scaling_(scaling), run_(std::move(run)) {}

  // The arguments as remote<f> takes them: a Ref for what all workers read in place, everything else is sent to each.
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
