// Cancelling what this process has submitted or borrowed, and stopping what it runs for others.
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "core/client/client.h"

namespace manta::client {

// --- RunningTask

void RunningTask::await_claim() const {
  const std::uint64_t seen = run_.load(std::memory_order_acquire);
  if (seen % kStates != kLooking) return;
  while (run_.load(std::memory_order_acquire) == seen) std::this_thread::yield();
}

std::uint64_t RunningTask::run_of(const TaskId& id, ClientId submitter) const {
  const std::uint64_t run = run_.load(std::memory_order_acquire);
  if (run % kStates != kRunning) return 0;
  const bool same = high_.load(std::memory_order_acquire) == id.high &&
                    low_.load(std::memory_order_acquire) == id.low &&
                    submitter_.load(std::memory_order_acquire) == submitter.value;
  return same && still(run) ? run : 0;  // STOP-2: what was read is that run's
}

std::stop_source RunningTask::stop(std::uint64_t run, const owner::Cancellation& how) {
  how_ = how;
  stopped_.store(run, std::memory_order_release);
  return has_source_ ? source_ : std::stop_source(std::nostopstate);
}

std::stop_token RunningTask::token() {
  if (!has_source_) source_ = std::stop_source();
  has_source_ = true;
  if (stopped()) source_.request_stop();  // no callback is registered yet
  return source_.get_token();
}

void RunningTask::drop_source() {
  has_source_ = false;
  source_ = std::stop_source(std::nostopstate);
}

void RunningTask::take_over(RunningTask& other) {
  high_ = other.high_.load();
  low_ = other.low_.load();
  submitter_ = other.submitter_.load();
  children_ = other.children_.load();
  set(kRunning);
  if (other.stopped()) stopped_ = run_.load();
  has_source_ = std::exchange(other.has_source_, false);
  source_ = std::exchange(other.source_, std::stop_source(std::nostopstate));
  how_ = other.how_;
}

std::vector<const RunningTask*> RunningTasks::threads() const {
  std::vector<const RunningTask*> threads;
  for (const auto& thread : threads_) threads.push_back(thread.get());
  return threads;
}

std::pair<RunningTask*, std::uint64_t> RunningTasks::find(const TaskId& id, ClientId submitter) const {
  for (RunningTask* task : places_) {
    if (const std::uint64_t run = task->run_of(id, submitter)) return {task, run};
  }
  return {nullptr, 0};
}

// --- Client

RunningTask& Client::add_thread() {
  const MutexLock guard(mutex_);
  return running_tasks_.add_thread();
}

std::stop_token Client::stop_token() {
  const TaskContext* task = current_task();
  if (task == nullptr || task->running == nullptr) return {};
  const MutexLock guard(mutex_);
  return task->running->token();
}

void Client::keep_running(RunningTask& suspended, RunningTask& thread) {
  const MutexLock guard(mutex_);
  suspended.take_over(thread);
  thread.idle();  // before it is found twice
  running_tasks_.enter(suspended);
}

void Client::ended_running(RunningTask& suspended) {
  const MutexLock guard(mutex_);
  running_tasks_.leave(suspended);
}

void Client::drop_stop_source(RunningTask& task) {
  const MutexLock guard(mutex_);
  task.drop_source();
}

void Client::cancel(owner::Entry& entry, bool force, bool recursive) {
  if (entry.resolved.load(std::memory_order_acquire)) return;
  owner::Cancellation how{force, recursive, "process " + std::to_string(::getpid()) + " on " + host()};
  how.by = (current_task() != nullptr ? "a task in " : "") + how.by;
  {
    const MutexLock guard(mutex_);
    drain();                                                                  // what has finished counts
    if (waiters_.load(std::memory_order_relaxed) > 0) slot().replies.wake();  // CLIENT-2
    const auto done = owner_->cancelling().cancel(entry, how);
    if (!done) throw_error(done.error());
  }
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();
}

// By way of the node also where it is for this very process: it is acted on without the lock.
void Client::stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) {
  send_to_peer(worker, net::StopTask{task, how});
}

namespace {

owner::Cancellation of_children(owner::Cancellation how) {
  constexpr std::string_view kWith = ", with the task that had submitted it,";
  if (!how.by.ends_with(kWith)) how.by += kWith;
  return how;
}

}  // namespace

void Client::on_stop_task(ClientId from, const net::StopTask& stop) {
  if (hooks_ == nullptr || hooks_->take_back_task(from, stop.task)) return;
  std::vector<const RunningTask*> threads;
  {
    const MutexLock guard(mutex_);
    threads = running_tasks_.threads();
  }
  for (const RunningTask* thread : threads) thread->await_claim();  // STOP-1
  std::stop_source source(std::nostopstate);
  RunningTask::Place place;
  {
    const MutexLock guard(mutex_);
    drain();
    const auto [task, run] = running_tasks_.find(stop.task, from);
    if (task == nullptr) return;  // it has ended
    source = task->stop(run, stop.how);
    if (stop.how.recursive) owner_->cancelling().cancel_children(stop.task, task->children(), of_children(stop.how));
    place = task->place();
    if (stop.how.force && place == RunningTask::Place::thread && task->still(run)) ::kill(::getpid(), SIGKILL);
    slot().replies.wake();  // it may wait
  }
  if (place == RunningTask::Place::coroutine) hooks_->suspended_stopped();
  source.request_stop();
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();
}

// Cancels what the task submitted after the request to stop had reached it.
void Client::stopped_task_ended(TaskContext& task, bool threw) {
  const MutexLock guard(mutex_);
  const owner::Cancellation& how = task.running->how();
  if (threw && how.recursive) owner_->cancelling().cancel_children(task.id, task.children, of_children(how));
}

}  // namespace manta::client
