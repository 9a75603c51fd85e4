// The executor's part for submitters on other nodes: the same tasks, as messages instead of records.
#include <cxxabi.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "core/worker/executor.h"

namespace manta::worker {

namespace {
constexpr std::size_t kLongestReplyBytes = net::ControlSocket::kMaxMessageBytes / 2;
}  // namespace

void Executor::run_task(ClientId submitter, net::RunTask task) {
  const std::uint64_t position = task.position;
  if (remote_.push(submitter, std::move(task))) {
    client::Client::current()->slot().tasks.wake();
  } else {
    client::Client::current()->send_to_peer(submitter, net::TasksReturned{{position}});
  }
}

void Executor::take_back_tasks(ClientId submitter) {
  client::Client::current()->send_to_peer(submitter, net::TasksReturned{remote_.take(submitter)});
}

bool Executor::take_back_task(ClientId submitter, const TaskId& task) {
  const auto position = remote_.take(submitter, task);
  if (position) client::Client::current()->send_to_peer(submitter, net::TasksReturned{{*position}});
  return position.has_value();
}

void Executor::tell_remote(ClientId submitter, bool lent) {
  remote_.set_blocked(lent);
  // First that it waits, so that what comes back goes elsewhere.
  client_->send_to_peer(submitter, net::WorkerBlocked{lent});
  if (lent) take_back_tasks(submitter);
}

bool Executor::run_remote() {
  bool ran = false;
  while (!have_events_.load(std::memory_order_relaxed) && !full()) {
    this_thread()->looking();
    auto task = remote_.pop();
    if (!task) {
      this_thread()->idle();
      break;
    }
    const bool lends = actor_.object == nullptr;
    if (lends) lending_.runs(task->submitter);
    execute_remote(task->submitter, std::move(task->run));
    this_thread()->idle();
    if (lends) lending_.runs_nothing();
    if (::__fpending(stdout) != 0) std::fflush(stdout);
    ran = true;
  }
  return ran;
}

MANTA_CATCHES_FORCED_UNWIND void Executor::execute_remote(ClientId submitter, net::RunTask task) {
  if (task.kind == net::TaskKind::end) end_with_actor(true);
  this_thread()->begin(task.task, submitter);
  if (task.timed) client_->send_to_peer(submitter, net::TaskBegan{task.position});
  client::TaskContext context;
  context.id = task.task;
  context.running = this_thread();
  context.cpus = task.kind == net::TaskKind::method ? actor_cpus_ : task.cpus;
  set_threads(context.cpus);
  OutgoingStream items(streams_, *client_, submitter, task.task, task.attempt);
  context.items = &items;
  detail::ActorInstance made;
  client::TaskInput input;
  Ended ended;
  try {
    input.function.value = task.function;
    input.ref_mask = task.ref_mask;
    input.attempt = task.attempt;
    // EXEC-5: a call whose coroutine waits keeps its input, and reads it again when it ends.
    const auto payload = std::make_shared<const std::vector<std::byte>>(std::move(task.payload));
    input.keepalive = payload;
    std::span<const std::byte> bytes(*payload);
    if (task.stored) bytes = read_block(task.location.arena, task.location.offset, task.location.size_bytes, input);
    if (task.parts) {
      read_parts(bytes, context, input);
    } else {
      input.values = {bytes, task.framed, nullptr};
    }
    ended.ok = attach_actor(task.kind, context, made, ended.error) &&
               client::run_task(*client_, context, input, ended.result, ended.error, ended.user_exception);
  } catch (const Error& failed) {
    ended.error = failed.with_context("arguments of a task");
  } catch (abi::__forced_unwind&) {
    ended.error = thread_ended(input);
    settle_remote(submitter, task.position, context, input, ended);
    ::_exit(1);
  }
  if (context.coroutine.call != nullptr) {
    Suspended& call = suspend(context, input);
    call.submitter = submitter;
    call.position = task.position;
    return;
  }
  if (task.kind == net::TaskKind::construct && ended.ok) host({made, submitter, task.cpus, task.concurrency});
  if (items.begun()) ended.items = items.items();
  settle_remote(submitter, task.position, context, input, ended);
}

void Executor::settle_remote(ClientId submitter, std::uint64_t position, client::TaskContext& context,
                             client::TaskInput& input, Ended& ended) {
  client::ReplyParts reply;
  reply.user_exception = ended.user_exception;
  input = {};
  if (!context.imported.empty()) reply.kept = settle_imports(context);
  reply.streamed = ended.items.has_value();
  reply.items = ended.items.value_or(0);
  try {
    if (ended.ok) {
      reply.value = client::reply_value(client_->make_value(ended.result, client::kStoredFromBytes));
      const MutexLock guard(client_->lock());
      reply.contained =
          client_->owner().borrowing().export_to(client::entries_of(ended.result.refs()), submitter);  // EXEC-2
    }
  } catch (const Error& failed) {
    ended.ok = false;
    ended.error = failed.with_context("result of a task");
  }
  if (!ended.ok) {
    reply.failed = true;
    reply.error = net::to_wire(ended.error);
  }
  std::vector<std::byte> bytes = client::encode(reply);
  if (bytes.size() > kLongestReplyBytes) {
    client::ReplyParts less;
    less.kept = std::move(reply.kept);
    less.failed = true;
    less.error = net::to_wire(
        Error(ErrorCode::invalid_argument, "the references in the result of a task, or the text of its error, take " +
                                               std::to_string(bytes.size()) + " bytes; at most " +
                                               std::to_string(kLongestReplyBytes) + " go to another node"));
    bytes = client::encode(less);
  }
  client_->outbox().wait_for_space();
  client_->send_to_peer(submitter, net::TaskDone{position, std::move(bytes)});
}

}  // namespace manta::worker
