#include "core/torch/operation_queue.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace manta::collective {

void OperationQueue::post(Pending operation, bool background) {
  const MutexLock lock(mutex_);
  if (stopping_) throw Error(ErrorCode::cancelled, "the process group has been shut down");
  const bool message = operation->transfer.has_value();
  queue_.push_back(std::move(operation));
  if (message && transfers_wait_.load(std::memory_order_relaxed)) {
    events_.exchange(true, std::memory_order_seq_cst);
    group_->transport().wake();
  }
  if (!background) return;
  if (!thread_.joinable()) {
    thread_ = std::thread([self = shared_from_this()] { self->background(); });
  } else if (sleeping_) {
    posted_.notify_one();
  }
}

void OperationQueue::wait(const Pending& operation) {
  if (operation->done.load(std::memory_order_acquire)) return;
  const MutexLock lock(mutex_);
  run_or_await(operation.get());
}

void OperationQueue::finish() {
  const MutexLock lock(mutex_);
  run_or_await(nullptr);
}

void OperationQueue::run_or_await(const QueuedOperation* until) {
  const auto finished = [&]() MANTA_REQUIRES(mutex_) {
    return until != nullptr ? until->done.load(std::memory_order_acquire)
                            : queue_.empty() && runner_ == std::thread::id();
  };
  // A callback of an operation that waits for a later one: the group is not in use meanwhile.
  if (runner_ == std::this_thread::get_id()) return run(until, false);
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  while (!finished()) {
    if (runner_ == std::thread::id() && !queue_.empty()) {
      run(until, false);
      continue;
    }
    if (transfers_wait_.load(std::memory_order_relaxed)) {  // the background thread gives way
      events_.exchange(true, std::memory_order_seq_cst);
      group_->transport().wake();
    }
    changed_.wait(mutex_);
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
  if (!queue_.empty() && sleeping_) posted_.notify_one();
}

void OperationQueue::run(const QueuedOperation* until, bool in_background) {
  const std::thread::id outer = std::exchange(runner_, std::this_thread::get_id());
  group_->transport().set_patient(!in_background);
  while (!queue_.empty() && (until == nullptr || !until->done.load(std::memory_order_relaxed))) {
    if (in_background && waiters_.load(std::memory_order_relaxed) > 0) break;
    if (queue_.front()->transfer) {
      run_transfers(until, in_background);
      continue;
    }
    const Pending operation = std::move(queue_.front());
    queue_.pop_front();
    std::exception_ptr error;
    try {
      const MutexUnlock unlocked(mutex_);
      operation->body(*group_);
    } catch (...) {
      error = std::current_exception();
    }
    complete(operation, error);
  }
  runner_ = outer;
  if (waiters_.load(std::memory_order_relaxed) > 0) changed_.notify_all();
}

// All messages at the front of the queue, until the first of them is complete. They stay in the queue meanwhile.
void OperationQueue::run_transfers(const QueuedOperation* until, bool in_background) {
  Transport& transport = group_->transport();
  for (;;) {
    std::vector<std::pair<Pending, std::exception_ptr>> ended;
    std::vector<Pending> starting;
    for (const Pending& operation : queue_) {
      if (!operation->transfer) break;
      if (!std::exchange(operation->started, true)) starting.push_back(operation);
    }
    events_.store(false, std::memory_order_seq_cst);
    transfers_wait_.store(true, std::memory_order_relaxed);
    std::exception_ptr failure;
    try {
      const MutexUnlock unlocked(mutex_);
      for (const Pending& operation : starting) {
        try {
          transport.start(*operation->transfer);
        } catch (const Error& error) {
          operation->transfer->complete = true;
          operation->transfer->error = error;
        }
      }
      const auto is_complete = [](const Pending& operation) { return operation->transfer->complete; };
      const bool any = std::any_of(starting.begin(), starting.end(), is_complete);
      if (!any) transport.await_transfers(events_);
    } catch (...) {
      failure = std::current_exception();
    }
    transfers_wait_.store(false, std::memory_order_relaxed);
    for (auto it = queue_.begin(); it != queue_.end() && (*it)->transfer;) {
      Transfer& transfer = *(*it)->transfer;
      if (!transfer.complete && !(failure && (*it)->started)) {
        ++it;
        continue;
      }
      std::exception_ptr error = transfer.complete ? nullptr : failure;
      if (transfer.error) error = std::make_exception_ptr(*transfer.error);
      ended.emplace_back(std::move(*it), error);
      it = queue_.erase(it);
    }
    for (auto& [operation, error] : ended) complete(operation, error);
    if (queue_.empty() || !queue_.front()->transfer) return;
    if (until != nullptr && until->done.load(std::memory_order_relaxed)) return;
    if (in_background && waiters_.load(std::memory_order_relaxed) > 0) return;
  }
}

void OperationQueue::complete(const Pending& operation, std::exception_ptr error) {
  {
    const MutexUnlock unlocked(mutex_);
    operation->completed(std::move(error));
  }
  operation->done.store(true, std::memory_order_release);
  if (waiters_.load(std::memory_order_relaxed) > 0) changed_.notify_all();
}

void OperationQueue::background() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  const MutexLock lock(mutex_);
  while (!stopping_) {
    if (!queue_.empty() && runner_ == std::thread::id() && waiters_.load(std::memory_order_relaxed) == 0) {
      run(nullptr, true);
      continue;
    }
    sleeping_ = true;
    posted_.wait(mutex_);
    sleeping_ = false;
  }
}

void OperationQueue::stop() {
  std::deque<Pending> left;
  const MutexLock lock(mutex_);
  stopping_ = true;
  if (!queue_.empty() || runner_ != std::thread::id()) group_->abort("the process group was shut down");
  posted_.notify_all();
  std::thread thread = std::move(thread_);
  if (thread.joinable() && thread.get_id() == std::this_thread::get_id()) {
    thread.detach();  // the last reference to the process group was a callback's
  } else if (thread.joinable()) {
    const MutexUnlock unlocked(mutex_);
    thread.join();
  }
  left.swap(queue_);
  const auto error = std::make_exception_ptr(Error(ErrorCode::cancelled, "the process group was shut down"));
  for (const Pending& operation : left) complete(operation, error);
  // Works may live longer, but the others shall hear now that this member left. No thread uses the group now, unless
  // this is a callback under this thread's own run().
  if (runner_ == std::thread::id()) group_.reset();
}

void OperationQueue::abort(const std::string& reason) {
  const MutexLock lock(mutex_);
  if (group_ != nullptr) group_->abort(reason);
}

}  // namespace manta::collective
