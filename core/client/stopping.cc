#include "core/client/stopping.h"

#include <signal.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

namespace manta::client {

namespace {

owner::Cancellation of_children(owner::Cancellation how) {
  constexpr std::string_view kWith = ", with the task that had submitted it,";
  if (!how.by.ends_with(kWith)) how.by += kWith;
  return how;
}

}  // namespace

// --- what this process submitted or borrowed

void Stopping::cancel(owner::Entry& entry, bool force, bool recursive) {
  if (entry.resolved.load(std::memory_order_acquire)) return;
  owner::Cancellation how{force, recursive, "process " + std::to_string(::getpid()) + " on " + state_.welcome.host};
  how.by = (current_task() != nullptr ? "a task in " : "") + how.by;
  {
    const OwnerLock guard(state_);
    results_.drain();                                                                    // what has finished counts
    if (state_.waiters.load(std::memory_order_relaxed) > 0) state_.slot.replies.wake();  // CLIENT-2
    const auto done = state_.owner->cancelling().cancel(entry, how);
    if (!done) throw_error(done.error());
  }
  context_.wake_background();
}

// --- what runs here

RunningTask& Stopping::add_thread() {
  const OwnerLock guard(state_);
  return running_.add_thread();
}

std::stop_token Stopping::token() {
  const TaskContext* task = current_task();
  if (task == nullptr || task->running == nullptr) return {};
  const OwnerLock guard(state_);
  return task->running->token();
}

void Stopping::keep(RunningTask& suspended, RunningTask& thread) {
  const OwnerLock guard(state_);
  suspended.take_over(thread);
  thread.idle();  // before it is found twice
  running_.enter(suspended);
}

void Stopping::ended(RunningTask& suspended) {
  const OwnerLock guard(state_);
  running_.leave(suspended);
}

void Stopping::drop_source(RunningTask& task) {
  const OwnerLock guard(state_);
  task.drop_source();
}

void Stopping::stop(ClientId submitter, const net::StopTask& stop, StopEffects& effects) {
  if (effects.take_back_task(submitter, stop.task)) return;
  std::vector<const RunningTask*> threads;
  {
    const OwnerLock guard(state_);
    threads = running_.threads();
  }
  for (const RunningTask* thread : threads) thread->await_claim();  // STOP-1
  std::stop_source source(std::nostopstate);
  RunningTask::Place place;
  {
    const OwnerLock guard(state_);
    results_.drain();
    const auto found = running_.find(stop.task, submitter);
    RunningTask* const task = found.first;
    if (task == nullptr) return;  // it has ended
    source = task->stop(found.second, stop.how);
    if (stop.how.recursive) {
      state_.owner->cancelling().cancel_children(stop.task, task->children(), of_children(stop.how));
    }
    place = task->place();
    const bool kills = stop.how.force && place == RunningTask::Place::thread && task->still(found.second);
    if (kills) ::kill(::getpid(), SIGKILL);
    state_.slot.replies.wake();  // it may wait
  }
  if (place == RunningTask::Place::coroutine) effects.suspended_stopped();
  source.request_stop();
  context_.wake_background();
}

// Cancels what the task submitted after the request to stop had reached it.
void Stopping::stopped_ended(TaskContext& task, bool threw) {
  const OwnerLock guard(state_);
  const owner::Cancellation& how = task.running->how();
  if (threw && how.recursive) {
    state_.owner->cancelling().cancel_children(task.id, task.children, of_children(how));
  }
}

}  // namespace manta::client
