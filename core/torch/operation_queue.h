// Operations of one group, done in order by the thread that waits for one.
//
// A thread that waits takes the queue over and runs it up to its own operation; a background thread runs it while
// no thread waits. So communication goes on beside computation, and a caller that waits at once pays for no switch of
// threads.
//
//   QUEUE-1  one thread at a time uses the group: the runner
//   QUEUE-2  operations start in the order they were posted; messages that follow each other directly go on at the same
//            time, because two members may each want to receive first
//   QUEUE-3  a thread that waits is the runner, or will be when the one that is ends its present operation
//
// Threading: all methods from any thread, completed() of operations included.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <manta/collective.h>

#include "core/base/mutex.h"
#include "core/collective/transport.h"

namespace manta::collective {

struct QueuedOperation {
  std::function<void(Group&)> body;
  std::optional<Transfer> transfer;  // instead of a body
  // Called once, in the thread that ran it.
  std::function<void(std::exception_ptr)> completed;
  std::atomic<bool> done{false};
  bool started = false;  // the transfer
};

class OperationQueue : public std::enable_shared_from_this<OperationQueue> {
 public:
  using Pending = std::shared_ptr<QueuedOperation>;

  explicit OperationQueue(std::unique_ptr<Group> group) : group_(std::move(group)) {}

  // background: whether it may run before a thread waits.
  void post(Pending operation, bool background);
  void wait(const Pending& operation);
  // Runs all in the calling thread, until nothing is left.
  void finish();
  // Cancels what is left, and ends the background thread.
  void stop();
  void abort(const std::string& reason);

 private:
  // Until the operation is done, or, if there is none, until the queue is empty.
  void run_or_await(const QueuedOperation* until) MANTA_REQUIRES(mutex_);
  void run(const QueuedOperation* until, bool in_background) MANTA_REQUIRES(mutex_);
  void run_transfers(const QueuedOperation* until, bool in_background) MANTA_REQUIRES(mutex_);
  void complete(const Pending& operation, std::exception_ptr error) MANTA_REQUIRES(mutex_);
  void background();

  std::unique_ptr<Group> group_;  // until stop(); the runner uses it without the mutex
  Mutex mutex_;
  CondVar changed_;  // an operation is done, or the runner has left
  CondVar posted_;   // for the background thread
  std::deque<Pending> queue_ MANTA_GUARDED_BY(mutex_);
  std::thread::id runner_ MANTA_GUARDED_BY(mutex_);
  std::atomic<bool> transfers_wait_{false};  // the runner waits for messages
  std::atomic<bool> events_{false};          // it should look at the queue
  std::atomic<int> waiters_{0};
  bool sleeping_ MANTA_GUARDED_BY(mutex_) = false;  // the background thread
  bool stopping_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread thread_ MANTA_GUARDED_BY(mutex_);
};

}  // namespace manta::collective
