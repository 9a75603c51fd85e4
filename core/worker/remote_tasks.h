// Tasks that submitters on other nodes have sent to this worker and that have not started, oldest first.
//
// Threading: any thread. push() comes from the client's reading thread, pop() from the main thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <manta/ids.h>

#include "core/base/mutex.h"
#include "core/net/messages.h"

namespace manta::worker {

class RemoteTasks {
 public:
  struct Task {
    ClientId submitter;
    net::RunTask run;
  };

  // False: the running task waits, so that this one could wait behind it for ever.
  bool push(ClientId submitter, net::RunTask task) {
    const MutexLock guard(mutex_);
    if (blocked_) return false;
    tasks_.push_back({submitter, std::move(task)});
    waiting_.store(true, std::memory_order_seq_cst);
    return true;
  }
  bool waiting() const { return waiting_.load(std::memory_order_seq_cst); }
  std::optional<Task> pop() {
    const MutexLock guard(mutex_);
    if (tasks_.empty()) return std::nullopt;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    waiting_.store(!tasks_.empty(), std::memory_order_seq_cst);
    return task;
  }
  // Takes those of the submitter out.
  std::vector<std::uint64_t> take(ClientId submitter) {
    const MutexLock guard(mutex_);
    std::vector<std::uint64_t> positions;
    std::erase_if(tasks_, [&](const Task& task) {
      if (task.submitter != submitter) return false;
      positions.push_back(task.run.position);
      return true;
    });
    waiting_.store(!tasks_.empty(), std::memory_order_seq_cst);
    return positions;
  }
  // The same for one of them; none: it is not here.
  std::optional<std::uint64_t> take(ClientId submitter, const TaskId& id) {
    const MutexLock guard(mutex_);
    const auto it = std::find_if(tasks_.begin(), tasks_.end(),
                                 [&](const Task& task) { return task.submitter == submitter && task.run.task == id; });
    if (it == tasks_.end()) return std::nullopt;
    const std::uint64_t position = it->run.position;
    tasks_.erase(it);
    waiting_.store(!tasks_.empty(), std::memory_order_seq_cst);
    return position;
  }
  void set_blocked(bool blocked) {
    const MutexLock guard(mutex_);
    blocked_ = blocked;
  }

 private:
  Mutex mutex_;
  std::deque<Task> tasks_ MANTA_GUARDED_BY(mutex_);
  bool blocked_ MANTA_GUARDED_BY(mutex_) = false;
  std::atomic<bool> waiting_{false};
};

}  // namespace manta::worker
