// Runs one task's function in the calling thread.
//
// Threading: any thread; what hosted() returns is written while no other thread runs user code. Ownership: what it is
// made with must outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <manta/detail/function_entry.h>
#include <manta/detail/runtime_api.h>
#include <manta/error.h>
#include <manta/serial/writer.h>

#include "core/client/process_state.h"
#include "core/client/task_codec.h"
#include "core/client/task_context.h"

namespace manta::client {

// What a function needs, wherever it lies.
struct TaskInput {
  detail::FunctionId function;
  std::uint32_t ref_mask = 0;
  std::uint16_t attempt = 0;
  std::string label;  // by its options; empty: the function's
  detail::ValueView values;
  std::vector<detail::ValueView> references;
  std::shared_ptr<const void> keepalive;  // of memory that the views lie in
};

// How a function ended.
struct Ended {
  bool ok = false;
  serial::Writer result;       // if ok: the encoded value
  std::optional<Error> error;  // else
  bool user_exception = false;
};

class TaskRunEffects {
 public:
  virtual ~TaskRunEffects() = default;
  // The task has had a stop_token.
  virtual void drop_stop_source(RunningTask& task) = 0;
  // It was asked to stop, and has ended; threw: without a value.
  virtual void stopped_ended(TaskContext& task, bool threw) = 0;
};

class TaskRunner {
 public:
  TaskRunner(const ProcessState& state, TaskRunEffects& effects) : state_(state), effects_(effects) {}

  // Whatever the function throws is caught here, once. A coroutine may be left in context.coroutine.call, ok and
  // without a result; called again once that is done, the result is written.
  void run(TaskContext& context, const TaskInput& input, Ended& ended);
  // Before the first task: the actor that the whole process is of, if it has one.
  void hosts(const HostedActor& actor) { process_actor_ = &actor; }
  // For a thread that runs no method.
  HostedActor hosted() const { return process_actor_ != nullptr ? *process_actor_ : HostedActor(); }

 private:
  TaskFailure failure(std::string_view label, const TaskInput& input) const;
  void invoke(const detail::FunctionEntry& function, TaskContext& context, const TaskInput& input, Ended& ended);

  const ProcessState& state_;
  TaskRunEffects& effects_;
  const HostedActor* process_actor_ = nullptr;
};

}  // namespace manta::client
