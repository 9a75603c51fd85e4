// One worker's part in a training: the group it joined, its mailbox to the trainer, its checkpoints.
//
// SESSION-1: reports reach the trainer in order, each once; the last ones come with the end of the loop.
// SESSION-2: a checkpoint is complete on disk before its report can be taken.
// SESSION-3: it is begun when the trainer has all reports before it: what a death takes with it is reported again, since
//            the loop goes on from the checkpoint (and fit() knows the checkpoint's own metrics).
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include <manta/detail/mutex.h>
#include <manta/train/checkpoint_store.h>
#include <manta/train/context.h>
#include <manta/train/detail/launch.h>

namespace manta::train::detail {

// Thrown through the loop by the report that made the last checkpoint of a run that is to stop. No std::exception: a loop
// that handles those does not handle this.
struct Stopped {};

// Threading: join, leave, report, should_stop and end by the loop's thread, take by another, request_stop by any.
class Session {
 public:
  explicit Session(WorkerSetup setup);

  void join();
  // The others' collectives that this rank does not come to fail from now on, instead of waiting.
  void leave() noexcept;
  void request_stop() { stop_requested_ = true; }
  bool should_stop();  // collective
  void report(const Metrics& metrics, const State* state);
  void end();  // nothing more will come
  // Waits until there are reports, or for the end. The trainer has those that it took before.
  std::vector<SentReport> take();

  const WorkerSetup& setup() const { return setup_; }
  const std::optional<Checkpoint>& checkpoint() const { return checkpoint_; }
  const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const { return process_group_; }

 private:
  void await_arrival();
  std::string save(CheckpointDetails details, const State& state);

  WorkerSetup setup_;
  std::optional<CheckpointStore> store_;  // of rank 0
  std::optional<Checkpoint> checkpoint_;
  c10::intrusive_ptr<c10d::ProcessGroup> process_group_;
  std::atomic<bool> stop_requested_ = false;

  manta::detail::Mutex mutex_;
  manta::detail::CondVar changed_;
  std::vector<SentReport> reports_ MANTA_GUARDED_BY(mutex_);
  bool on_the_way_ MANTA_GUARDED_BY(mutex_) = false;  // those taken last may not have arrived
  bool ended_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::train::detail
