#include "core/worker/task_host.h"

#include <cxxabi.h>

#include <string>
#include <utility>
#include <vector>

#include <manta/detail/thrown.h>

#include "core/base/log.h"
#include "core/client/function_table.h"

namespace manta::worker {

// A thread that has called pthread_exit cannot be kept, and without it the worker is of no use.
Error TaskHost::thread_ended(const client::TaskInput& input) {
  const detail::FunctionEntry* function = detail::find_function(input.function);
  return Error(ErrorCode::task_failed,
               (function != nullptr ? std::string(function->name()) : "a task") +
                   " called pthread_exit, or its thread was cancelled, which ends its worker process; let it return or "
                   "throw instead");
}

MANTA_CATCHES_FORCED_UNWIND void TaskHost::execute(IncomingTask& task, client::RunningTask& place) {
  const IncomingTask::Head& head = task.head();
  if (head.kind == net::TaskKind::end) {
    task.drop();
    return effects_.actor_ends();
  }
  task.begin();
  client::TaskContext context;
  context.id = head.id;
  context.running = &place;
  context.cpus = cpus_of(head);
  OutgoingStream items(streams_, *client_, head.submitter, head.id, head.attempt);
  context.items = &items;
  client::TaskInput input;
  detail::ActorInstance made;
  Ended ended;
  try {
    if (actor_.attach(head.kind, context, made, suspended_.coroutines(), ended.error)) {
      if (context.actor != nullptr) context.hosted = &identity_;
      task.read(context, input);
      client_->runner().run(context, input, ended);
    }
  } catch (const Error& failed) {
    ended.error = failed.with_context("arguments of a task");
  } catch (abi::__forced_unwind&) {
    ended.error = thread_ended(input);
    settle(arguments_, task, context, input, ended);
    effects_.thread_ends();
    throw;
  }
  if (context.coroutine.call != nullptr) return suspended_.keep(task, context, input);
  if (head.kind == net::TaskKind::construct) {
    // (Where the constructor fails, the worker stays one like any other.)
    if (ended.ok) {
      actor_.host(made, head.submitter, head.cpus, task.concurrency());
      effects_.actor_made();
    } else {
      task.not_constructed();
    }
  }
  if (items.begun()) ended.items = items.items();
  settle(arguments_, task, context, input, ended);
}

MANTA_CATCHES_FORCED_UNWIND void TaskHost::destroy_actor() {
  if (!actor_.hosts()) return;
  try {
    if (actor_.has_coroutines()) suspended_.clear(&actor_.instance());
    actor_.destroy();
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    log::error("the destructor of an actor threw: ", detail::thrown_text());
  }
}

void settle(const Arguments& arguments, IncomingTask& task, client::TaskContext& context, client::TaskInput& input,
            Ended& ended) {
  input = {};
  std::vector<detail::WireRef> kept;
  if (!context.imported.empty()) kept = arguments.release(context);
  task.reply(ended, std::move(kept));
}

}  // namespace manta::worker
