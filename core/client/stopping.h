// Stopping tasks: those that this process runs, as their submitters ask, and those that it has submitted or borrowed.
//
// Threading: any thread, without the owner's mutex, but for enter() and leave(). Ownership: owns the places of threads.
#pragma once

#include <stop_token>

#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/running_task.h"
#include "core/client/task_context.h"
#include "core/client/to_node.h"

namespace manta::client {

// What a worker does when it is asked to stop a task.
class StopEffects {
 public:
  virtual ~StopEffects() = default;
  // False: this one does not wait here; else it was sent back.
  virtual bool take_back_task(ClientId submitter, const TaskId& task) = 0;
  // A call that waits in a coroutine was asked to stop.
  virtual void suspended_stopped() = 0;
};

class StopContext {
 public:
  virtual ~StopContext() = default;
  // The owner has something to do.
  virtual void wake_background() = 0;
};

class Stopping {
 public:
  Stopping(ProcessState& state, Results& results, StopContext& context)
      : state_(state), results_(results), context_(context) {}

  // --- of what this process submitted or borrowed
  void cancel(owner::Entry& entry, bool force, bool recursive);

  // --- of what runs here
  // That of the task that this thread runs; without one, no stop is possible.
  std::stop_token token();
  // A place for the tasks that a thread runs one after the other, for good.
  RunningTask& add_thread();
  void enter(RunningTask& task) MANTA_REQUIRES(owner_mutex) { running_.enter(task); }
  void leave(RunningTask& task) MANTA_REQUIRES(owner_mutex) { running_.leave(task); }
  // What the thread runs goes on in a place of its own, from when its coroutine waits until it has ended.
  void keep(RunningTask& suspended, RunningTask& thread);
  void ended(RunningTask& suspended);
  // The submitter asks.
  void stop(ClientId submitter, const net::StopTask& stop, StopEffects& effects);
  // The task of the context had a stop_token.
  void drop_source(RunningTask& task);
  // A task that was asked to stop has ended; threw: without a value. In its thread, before its result is known.
  void stopped_ended(TaskContext& task, bool threw);

 private:
  ProcessState& state_;
  Results& results_;
  StopContext& context_;
  RunningTasks running_ MANTA_GUARDED_BY(owner_mutex);
};

}  // namespace manta::client
