// The submitter's end of a worker that is part of the same process: owner::WorkerLink on a queue of entries.
//
// Threading: with the owner's mutex. Ownership: entries belong to the owner; the queue must outlive the link.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "core/net/doorbell.h"
#include "core/owner/entry.h"
#include "core/owner/worker_link.h"

namespace manta::worker {

struct LocalWorker;

// What all workers of the process have been given and have not started, in the order in which it came.
struct LocalItem {
  LocalWorker* to = nullptr;
  owner::Entry* task = nullptr;  // null: the worker's actor ends
};
using LocalQueue = std::deque<LocalItem>;

class LocalLink final : public owner::WorkerLink {
 public:
  // rung: where threads sleep that may run what comes.
  LocalLink(LocalQueue& queue, LocalWorker& worker, net::Doorbell& rung)
      : queue_(queue), worker_(worker), rung_(rung) {}

  // --- WorkerLink
  bool push(owner::Entry& entry) override {
    if (lost_) return false;
    queue_.push_back({&worker_, &entry});
    rung_.wake();
    return true;
  }
  owner::Entry* take_back_last() override {
    const auto last =
        std::find_if(queue_.rbegin(), queue_.rend(), [&](const LocalItem& item) { return is_mine(item); });
    if (last == queue_.rend()) return nullptr;
    owner::Entry* const task = last->task;
    queue_.erase(std::next(last).base());
    return task;
  }
  bool take_back(owner::Entry& entry) override {
    return std::erase_if(queue_, [&](const LocalItem& item) { return item.task == &entry; }) > 0;
  }
  owner::Entry* next_lost() override {
    lost_ = true;
    if (running_.empty()) return nullptr;
    owner::Entry* const task = running_.front();
    running_.erase(running_.begin());
    return task;
  }
  bool push_end() override {
    queue_.push_back({&worker_, nullptr});
    rung_.wake();
    return true;
  }
  // None, for time limits: the program may stand at a breakpoint.
  void running(std::vector<owner::Entry*>&) const override {}
  void replace(owner::Entry& entry, owner::Entry& by) override {
    std::replace(running_.begin(), running_.end(), &entry, &by);
  }

  // --- its worker
  void started(owner::Entry& task) { running_.push_back(&task); }
  // False: the worker was ended meanwhile, and the task is not its any more.
  bool finished(const owner::Entry& task) { return std::erase(running_, &task) > 0; }
  // The worker ends: it takes nothing more.
  void lose() { lost_ = true; }
  // What it was given is not its any more.
  void clear() {
    lost_ = true;
    running_.clear();
    std::erase_if(queue_, [&](const LocalItem& item) { return item.to == &worker_; });
  }

 private:
  bool is_mine(const LocalItem& item) const { return item.to == &worker_ && item.task != nullptr; }

  LocalQueue& queue_;
  LocalWorker& worker_;
  net::Doorbell& rung_;
  std::vector<owner::Entry*> running_;
  bool lost_ = false;
};

}  // namespace manta::worker
