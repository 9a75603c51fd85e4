// What a training loop is given: its place in the group, what to resume from, and where to report.
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

// One worker's view of the training it takes part in; the first parameter of the loop.
//
// Threading: the thread of the loop. Ownership: lives as long as the loop's call.
//
//   void loop(manta::train::Context& context, const Config& config) {
//     Network network;
//     manta::train::DistributedDataParallel model(network, context.process_group());
//     torch::optim::SGD optimizer(network->parameters(), config.learning_rate);
//     std::int64_t step = 0;
//     manta::train::State state;
//     state.add("model", *network);
//     state.add("optimizer", optimizer);
//     state.add("step", step);
//     context.resume(state);                      // after a failure: continue where the last checkpoint was taken
//     while (step < config.steps) {
//       const double loss = train_step(model, optimizer, step++);
//       if (step % 100 == 0) context.report({{"loss", loss}}, state);
//     }
//   }
class Context {
 public:
  explicit Context(detail::Session& session) : session_(session) {}

  int rank() const;
  int world_size() const;
  // cpu, or the GPU that this worker holds (cuda:0: it sees no other).
  torch::Device device() const;
  // All workers of the training; collectives and DistributedDataParallel run on it.
  const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const;
  // How often the group was started again after a failure; 0 in an undisturbed run.
  int restarts() const;

  // Where the training goes on: the latest checkpoint of this run, or nothing: from the start.
  const std::optional<Checkpoint>& checkpoint() const;
  // Brings the state, and the generator for the CPU, to what they were in checkpoint(). False: there is none, and
  // nothing was changed. Errors: as Checkpoint::restore.
  bool resume(State& state) const;

  // Sends metrics to the trainer: rank 0's are kept (result.json, progress.csv, TensorBoard, RunConfig::on_report), those
  // of other ranks are dropped. Blocks only while 1,000 reports wait to be taken.
  // NaN and infinities are values like others: they are logged, they end nothing, and a checkpoint whose score is NaN is
  // never the best. The metric "step" must be finite: Error(invalid_argument).
  // After a worker's death the training goes on from the latest checkpoint: no step's report is lost, those after the
  // checkpoint come again.
  void report(const Metrics& metrics);
  // The same with a checkpoint of the state, on disk when this returns in rank 0; the metric "step" is its step. Collective:
  // all ranks call it at the same step, because each rank's generator is part of it. Errors: those of Checkpoint::save, in
  // rank 0.
  // Where the run is to stop (stop(), RunConfig::stop, a signal to the program) it does not return: the loop of every rank
  // ends here, as if by an exception that is no std::exception, and fit() returns with TrainingResult::stopped.
  void report(const Metrics& metrics, const State& state);

  // The run ends with the next checkpoint that report makes, or when the loops return. Any rank may call it; one is enough.
  void stop();
  // Whether the run is to stop: the same on all ranks, which all call it at the same step. For loops whose checkpoints are
  // rare: report(metrics, state) then makes the last one. Collective, about a microsecond between processes of a host.
  bool should_stop();

 private:
  detail::Session& session_;
};

}  // namespace manta::train
