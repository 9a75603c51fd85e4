// What a training loop gets: its rank, the checkpoint to resume from, and the channel for reports.
#pragma once

#include <optional>

#include <torch/types.h>

#include <manta/process_group.h>
#include <manta/train/checkpoint.h>
#include <manta/train/report.h>
#include <manta/train/state.h>

namespace manta::train {

namespace detail {
class Session;
}

/// One worker's view of its training; the loop's first parameter.
///
/// **Threading**: the loop's thread. **Ownership**: the trainer's; lives as long as the loop's call.
///
///     void loop(manta::train::Context& context, const Config& config) {
///       Network network;
///       manta::train::DistributedDataParallel model(network, context.process_group());
///       torch::optim::SGD optimizer(network->parameters(), config.learning_rate);
///       std::int64_t step = 0;
///       manta::train::State state;
///       state.add("model", *network);
///       state.add("optimizer", optimizer);
///       state.add("step", step);
///       context.resume(state);                      // after a failure: continue from the latest checkpoint
///       while (step < config.steps) {
///         const double loss = train_step(model, optimizer, step++);
///         if (step % 100 == 0) context.report({{"loss", loss}}, state);
///       }
///     }
class Context {
 public:
  explicit Context(detail::Session& session) : session_(session) {}

  /// This worker's rank, from 0 to world_size() - 1.
  int rank() const;
  /// The number of workers.
  int world_size() const;
  /// The CPU, or the worker's GPU (cuda:0: the worker sees no other).
  torch::Device device() const;
  /// The group of all workers; collectives and DistributedDataParallel run on it.
  const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const;
  /// How often the group was restarted after a failure.
  int restarts() const;

  /// The checkpoint to resume from: the run's latest. Empty: start from the beginning.
  const std::optional<Checkpoint>& checkpoint() const;
  /// Restores the state and the CPU generator from checkpoint(). False: there is no checkpoint; nothing was changed.
  /// **Errors**: those of Checkpoint::restore.
  bool resume(State& state) const;

  /// Sends metrics to the trainer, which logs rank 0's (result.json, progress.csv, TensorBoard, RunConfig::on_report)
  /// and drops those of other ranks. Blocks only while 1,000 reports wait for the trainer. NaN and infinities are
  /// logged like other values and do not end the run; a checkpoint whose score is NaN is never the best. The metric
  /// "step" must be finite, otherwise it throws Error(invalid_argument). After a worker's death training resumes from
  /// the latest checkpoint: no step's report is lost, and reports after the checkpoint are repeated.
  void report(const Metrics& metrics);
  /// Likewise, with a checkpoint of the state, which is on disk when rank 0's call returns; the metric "step" becomes
  /// its step. Collective: all ranks call it at the same step, because the checkpoint holds each rank's generator.
  /// **Errors**: those of Checkpoint::save, in rank 0. If the run must stop (stop(), RunConfig::stop, a signal to the
  /// program), it does not return: it ends every rank's loop by an exception that is no std::exception, and fit()
  /// returns with TrainingResult::stopped.
  void report(const Metrics& metrics, const State& state);

  /// Ends the run at the next checkpoint that report() makes, or when the loops return. One rank's call is enough.
  void stop();
  /// Whether the run must stop; the same on all ranks. For loops with rare checkpoints, which then call
  /// report(metrics, state) once more. Collective: all ranks call it at the same step; about 1 us within a host.
  bool should_stop();

 private:
  detail::Session& session_;
};

}  // namespace manta::train
