#include "core/client/running_task.h"

#include <thread>

namespace manta::client {

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

}  // namespace manta::client
