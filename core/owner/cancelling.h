// Tasks and calls that end before their time: cancelled by the program, or over their time limit.
//
// A task that has not started is taken back, wherever it waits. A worker that runs the task sets its stop token; the
// task's outcome, or the worker's death, ends it. A worker on another node that has not started the task returns it.
//
//   OWN-14  a task that is cancelled before it starts never starts; one that has started does not start again, and ends
//           as cancelled unless it returned a value
//   OWN-15  a run that has passed its time limit is cancelled, and ends as `deadline`, whatever it returns; if it goes
//           on after that, a task's worker ends, and a call is resolved without it (see owner/time_limits.h)
//
// Threading: none of its own (the owner's lock). Ownership: holds the entries whose workers are to end; all references
// must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <manta/error.h>

#include "core/owner/labels.h"
#include "core/owner/objects.h"
#include "core/owner/task_types.h"
#include "core/owner/time_limits.h"

namespace manta::owner {

class CancelEffects {
 public:
  virtual ~CancelEffects() = default;
  virtual void send(ClientId to, PeerMessage message) = 0;
  // A task that was pushed to the worker, or runs here, was cancelled: it is to stop. Where it waits in the worker, it
  // is to come back. how.force: the worker is to end.
  virtual void stop_task(ClientId worker, const TaskId& task, const Cancellation& how) = 0;
  // Ends the lease's process; the lease is given up with it.
  virtual void kill_worker(LeaseId lease) = 0;
  // Of a clock that never goes back.
  virtual std::chrono::nanoseconds now() const = 0;
};

// What Cancelling needs of the other parts.
class CancelContext {
 public:
  virtual ~CancelContext() = default;
  virtual void fail(Entry& entry, const Error& error) = 0;
  // A pushed task or call has not started, its link has given it up, and it is cancelled.
  virtual void taken_out(Entry& entry) = 0;
  // Nothing more goes to the lease's worker, and what has not started there comes back.
  virtual void vacate(Lease& lease) = 0;
  virtual std::uint64_t limited() const = 0;
  virtual void running(std::vector<Entry*>& entries) const = 0;
  // The call's result is decided; `rest` has its place in the ring.
  virtual void replaced(Entry& call, Entry& rest) = 0;
};

class Cancelling {
 public:
  struct Limits {
    std::uint32_t force_ticks;             // for a worker to end by itself, before its node kills it
    std::chrono::nanoseconds limit_grace;  // for a task over its time limit to end
  };

  Cancelling(Objects& objects, const Deaths& deaths, const Labels& labels, const Limits& limits, CancelEffects& effects,
             CancelContext& context)
      : objects_(objects),
        deaths_(deaths),
        labels_(labels),
        force_ticks_(limits.force_ticks),
        effects_(effects),
        context_(context),
        limits_(limits.limit_grace) {}

  // Ends the task that makes the entry, if it is not done: by OWN-14, at its owner. Does not wait. Nothing happens to
  // what is resolved. invalid_argument: force, and it is a call of an actor; or it is an actor.
  [[nodiscard]] Result<void> cancel(Entry& entry, const Cancellation& how);
  // The first `count` tasks and calls that the task, which runs in this process, has submitted.
  void cancel_children(const TaskId& parent, std::uint64_t count, const Cancellation& how);
  void tick();
  bool busy() const { return !forced_.empty(); }
  // No worker is left to be ended.
  void drop_forced();

 private:
  struct Forced {  // is to end with its worker
    Entry* entry;  // held
    LeaseId lease;
    std::uint32_t ticks = 0;
  };

  void stop_pushed(Entry& entry);
  void tick_forced();
  void tick_limits();
  void passed_limit(Entry& entry, TimeLimits::Passed passed);
  void leave_behind(Entry& call);

  Objects& objects_;
  const Deaths& deaths_;
  const Labels& labels_;
  std::uint32_t force_ticks_;
  CancelEffects& effects_;
  CancelContext& context_;
  std::vector<Forced> forced_;
  TimeLimits limits_;
};

}  // namespace manta::owner
