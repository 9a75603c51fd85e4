// A worker's state in a training: its group, its mailbox to the trainer, its checkpoints.
//
// SESSION-1: reports reach the trainer in order, each once; the last ones come with the end of the loop.
// SESSION-2: a checkpoint is complete on disk before the trainer can take its report.
// SESSION-3: a checkpoint starts when the trainer has all earlier reports. So reports that a death loses are repeated,
//            since the loop resumes from the checkpoint (whose own metrics fit() reads from it).
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include <manta/detail/mutex.h>
#include <manta/train/checkpoint_store.h>
#include <manta/train/context.h>
#include <manta/train/detail/launch.h>

namespace manta::train::detail {

// Thrown through the loop by the report that made the last checkpoint of a stopping run. It is no std::exception, so
// that a loop's handlers do not catch it.
struct Stopped {};

// Threading: join, leave, report, should_stop and end: the loop's thread; take: another one; request_stop: any.
class Session {
 public:
  explicit Session(WorkerSetup setup);

  void join();
  // From now on, collectives of the others that need this rank fail instead of waiting.
  void leave() noexcept;
  void request_stop() { stop_requested_ = true; }
  bool should_stop();  // collective
  void report(const Metrics& metrics, const State* state);
  void end();  // no more reports follow
  // Blocks until there are reports or the end. By calling it, the trainer confirms the reports that it took before.
  std::vector<SentReport> take();

  const WorkerSetup& setup() const { return setup_; }
  const std::optional<Checkpoint>& checkpoint() const { return checkpoint_; }
  const c10::intrusive_ptr<c10d::ProcessGroup>& process_group() const { return process_group_; }

 private:
  void await_arrival();
  std::string save(CheckpointDetails details, const State& state);

  WorkerSetup setup_;
  std::optional<CheckpointStore> store_;  // rank 0's
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
