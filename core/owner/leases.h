// Which task runs on which leased worker: queues per resource shape, the demand stated to the node, and what goes into
// which ring.
//
//   OWN-4  a task is in at most one ring at a time
//   OWN-5  every lease is returned, or ends with its worker; demand drops to zero when nothing is runnable
//
// Threading: none of its own (the owner's lock). Ownership: owns its leases; links and all references must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/owner/labels.h"
#include "core/owner/objects.h"
#include "core/owner/task_types.h"
#include "core/owner/unmet.h"
#include "core/owner/worker_link.h"

namespace manta::owner {

class LeaseEffects {
 public:
  virtual ~LeaseEffects() = default;
  // The number of leases that this process wants to hold, blocked ones not counted. An actor's is never asked back.
  virtual void set_demand(DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) = 0;
  virtual void return_lease(LeaseId lease) = 0;
};

// What Leases needs of the other parts.
class LeaseContext {
 public:
  virtual ~LeaseContext() = default;
  virtual void fail(Entry& entry, const Error& error) = 0;
  // The worker died while it ran the task. True: it is to be queued once more.
  virtual bool attempt_lost(Entry& task, const std::string& status) = 0;
  // Of a task that is about to be pushed: brings back the arguments that were spilled.
  virtual Arguments bring_arguments(Entry& task) = 0;
  virtual Error no_space(const std::string& what) = 0;
};

class Leases {
 public:
  struct Limits {
    std::uint32_t max_in_flight;  // tasks in one ring
    std::uint32_t max_leases;     // wanted per shape
    std::uint32_t idle_ticks;     // a lease without work is returned at the idle_ticks-th tick
    std::uint32_t pressed_ticks;  // how long pressed() has an effect
    std::uint32_t restore_ticks;  // a task whose arguments find no space fails after so many milliseconds
  };

  Leases(Objects& objects, const Labels& labels, const Limits& limits, LeaseEffects& effects, LeaseContext& context)
      : objects_(objects), labels_(labels), limits_(limits), effects_(effects), context_(context) {}

  ShapeIndex shape_of(const sched::ResourceSet& request, const sched::Where& where = {});
  bool has_shape(DemandIndex index) const { return index < shapes_.size(); }
  const sched::ResourceSet& request_of(ShapeIndex shape) const { return shapes_[shape]->request; }
  const sched::Where& where_of(ShapeIndex shape) const { return shapes_[shape]->where; }

  // --- tasks
  // The task may run.
  void ready(Entry& task);
  // It is to run once more, before others.
  void again(Entry& task);
  // It moves to the front of its queue.
  void promote(Entry& task);
  void unlink(Entry& task) { shapes_[task.shape]->queue.remove(task); }
  // Takes a task that has not started, and whose arguments are there, away to run it in the caller.
  bool claim(Entry& task);
  // A pushed task has not started and comes back; a link that cannot take back at once says so later.
  void came_back(Entry& task);
  // A pushed task has not started, its link has given it up, and it is cancelled.
  void taken_out(Entry& task);
  // A task of the lease has ended.
  void task_ended(Lease& lease);

  // --- leases
  void granted(LeaseId id, ClientId worker, ShapeIndex shape, WorkerLink& link);
  Lease* find(LeaseId id) const;
  void set_blocked(LeaseId id, bool blocked);
  // The worker is gone or the lease revoked. Finished tasks were reported before. status: why, for people.
  void ended(LeaseId id, const std::string& status);
  void infeasible(ShapeIndex shape, const std::string& why);
  // node: whose leases; none: any.
  void ask_back(DemandIndex index, std::uint32_t count, NodeId node = {});
  // Nothing more goes to the lease's worker, and what has not started there comes back.
  void vacate(Lease& lease);
  // The store is full, and not enough can be spilled: tasks with stored arguments that were not started come back from
  // the rings, so that their arguments can be, and for a while only idle workers are given such tasks.
  void pressed();
  // No lease can ever be had again; all tasks have failed.
  void drop_all();
  void tick(bool others_wait, std::uint32_t milliseconds);
  // Demand without tasks or leases is left where the tasks ran in the threads that waited for them: it has to be
  // withdrawn too (OWN-5), or the node goes on to ask others for their leases.
  bool busy() const;
  void running(std::vector<Entry*>& entries) const;

  // --- what waits
  void unmet(std::vector<Unmet>& all) const;
  // The shape's first task, and what keeps a task from ending.
  std::string label_of(ShapeIndex shape) const;
  Obstacle obstacle(const Entry& task) const;
  // First broken invariant, or "".
  std::string check_invariants() const;

 private:
  struct Shape {
    sched::ResourceSet request;
    sched::Where where;
    TaskQueue queue;
    std::uint32_t wanted = 0;     // the demand that the node knows
    std::uint64_t started = 0;    // tasks that went into a ring, or were claimed; and leases granted
    std::uint32_t low_ticks = 0;  // ticks for which less was needed than wanted
    bool starved = false;         // no space for arguments that were spilled, until the next tick
    std::uint32_t starved_ticks = 0;
    std::vector<Lease*> leases;
  };

  void enqueue(Entry& task, bool front);
  void dispatch(Shape& shape);
  void dispatch(ShapeIndex index);
  Lease* pick(Shape& shape) const;
  void rebalance(Shape& shape);
  void take_all_back(Lease& lease);
  static std::uint64_t needed(const Shape& shape);
  void update_demand(ShapeIndex index, bool at_tick = false);
  void drop(Lease& lease, bool give_back);
  void tick_starved(std::uint32_t milliseconds);

  Objects& objects_;
  const Labels& labels_;
  Limits limits_;
  LeaseEffects& effects_;
  LeaseContext& context_;
  std::vector<std::unique_ptr<Shape>> shapes_;
  std::map<LeaseId, std::unique_ptr<Lease>> leases_;
  std::uint32_t pressed_ticks_ = 0;  // that are left
};

}  // namespace manta::owner
