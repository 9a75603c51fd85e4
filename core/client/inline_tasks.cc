#include "core/client/inline_tasks.h"

#include <utility>
#include <vector>

#include "core/base/stack.h"
#include "core/client/task_codec.h"

namespace manta::client {

namespace {

// A task that runs on top of the one that waits for it has almost as much stack as in a process of its own.
constexpr std::ptrdiff_t kUsedOfStack = 16;  // at most one part of so many

}  // namespace

bool InlineTasks::fits(const owner::Entry& entry) const {
  if (!entry.owned || entry.kind != owner::Kind::task) return false;
  if (entry.extra && entry.extra->stream) return false;  // it would wait for its reader, this thread
  if (owner::has_limit(entry)) return false;             // it may have to end with its process
  const sched::Where where = state_.owner->where_of(entry.shape);
  if (where.bundle || (where.node && where.node != node_of(self_of(state_)) && !where.soft)) return false;
  const sched::ResourceSet& request = state_.owner->leases().request_of(entry.shape);
  const TaskContext* task = current_task();
  return request.gpus.zero() && request.env == state_.welcome.env && request.memory_bytes == 0 &&
         request.named.empty() && request.cpus.units() <= static_cast<std::int64_t>(task->cpus);
}

// Takes the task from the workers; before, runs what it waits for.
bool InlineTasks::claim(owner::Entry& entry, RunningTask& running) {
  OwnerLock lock(state_);
  if (entry.phase == owner::Phase::waiting && fits(entry)) {
    const std::vector<owner::Entry*> references = entry.extra->references;
    for (owner::Entry* reference : references) detail::retain(reference);
    lock.unlock();
    for (owner::Entry* reference : references) {
      if (!reference->resolved.load(std::memory_order_acquire)) run(*reference);
      detail::release(reference);
    }
    lock.lock();
  }
  if (entry.phase != owner::Phase::queued && entry.phase != owner::Phase::pushed) return false;
  if (!fits(entry) || !state_.owner->leases().claim(entry)) return false;
  running.begin(entry.id, self_of(state_));
  context_.enter(running);
  return true;
}

owner::Outcome InlineTasks::execute(owner::Entry& entry, RunningTask& running) {
  owner::Outcome outcome;
  TaskContext context;
  context.id = entry.id;
  context.cpus = current_task()->cpus;
  context.running = &running;
  try {
    TaskInput input;
    input.function = entry.function;
    input.ref_mask = entry.ref_mask;
    input.attempt = entry.attempt;
    input.values = context_.read_arguments(entry);
    for (owner::Entry* reference : references_of(entry)) input.references.push_back(context_.read_value(*reference));
    if (entry.extra) input.label = entry.extra->name;
    Ended ended;
    context_.run(context, input, ended);
    outcome.user_exception = ended.user_exception;
    if (ended.ok) {
      outcome.value = context_.make_value(ended.result, kStoredFromBytes);
      for (detail::EntryHead* inside : ended.result.take_refs())
        outcome.held.push_back(static_cast<owner::Entry*>(inside));
    } else {
      outcome.value = owner::Value::of(*ended.error);
    }
  } catch (const Error& failed) {
    outcome.value = owner::Value::of(failed);
  }
  for (owner::Entry* imported : context.imported) detail::release(imported);  // covered by our own holds
  return outcome;
}

bool InlineTasks::run(owner::Entry& entry) {
  if (!stack_used_at_most_one_of(kUsedOfStack)) return false;
  RunningTask running(RunningTask::Place::stack);
  if (!claim(entry, running)) return false;
  owner::Outcome outcome = execute(entry, running);
  const OwnerLock guard(state_);
  context_.leave(running);
  state_.owner->finished(entry, std::move(outcome));
  return true;
}

}  // namespace manta::client
