// Tasks that run in the thread that waits for them, on top of the task that it runs (CLIENT-4).
//
// Threading: any thread, without the owner's mutex. Ownership: what it is made with must outlive it.
#pragma once

#include <cstddef>

#include <manta/detail/runtime_api.h>
#include <manta/serial/writer.h>

#include "core/client/process_state.h"
#include "core/client/running_task.h"
#include "core/client/task_context.h"
#include "core/client/task_runner.h"

namespace manta::client {

// What running a task takes, of other parts.
class InlineContext {
 public:
  virtual ~InlineContext() = default;
  virtual detail::ValueView read_value(owner::Entry& entry) = 0;
  virtual detail::ValueView read_arguments(owner::Entry& task) = 0;
  virtual owner::Value make_value(const serial::Writer& value, std::size_t inline_limit) = 0;
  virtual void run(TaskContext& context, const TaskInput& input, Ended& ended) = 0;
  // Other threads find what runs, to stop it. With the owner's mutex.
  virtual void enter(RunningTask& task) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void leave(RunningTask& task) MANTA_REQUIRES(owner_mutex) = 0;
};

class InlineTasks {
 public:
  InlineTasks(ProcessState& state, InlineContext& context) : state_(state), context_(context) {}

  // Runs the task of the entry, and before it those that it waits for, if they have not started, and fit the CPUs that
  // the task of this thread holds. False: it runs, or is to run, elsewhere.
  bool run(owner::Entry& entry);

 private:
  bool fits(const owner::Entry& entry) const MANTA_REQUIRES(owner_mutex);
  bool claim(owner::Entry& entry, RunningTask& running);
  owner::Outcome execute(owner::Entry& entry, RunningTask& running);

  ProcessState& state_;
  InlineContext& context_;
};

}  // namespace manta::client
