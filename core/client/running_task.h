// Tasks that run in this process, where other threads find them to ask them to stop.
//
//   STOP-1  a request that comes after a task was claimed reaches it, unless it has ended: the asking thread waits for
//           each thread that is about to claim one
//   STOP-2  a request is for one run: it never reaches a later one, whatever its id
//
// Each thread that runs tasks has a place, and so has each task that runs on the stack of one that waits for it, and
// each call of an actor whose coroutine waits. Its thread writes a few words as tasks begin and end, and takes no lock;
// what is rare takes the client's.
//
// Threading: as said at each method. Ownership: places of threads live as long as the client's process.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/owner/cancellation.h"

namespace manta::client {

class RunningTask {
 public:
  enum class Place : std::uint8_t { thread, stack, coroutine };
  explicit RunningTask(Place place) : place_(place) {}

  // --- its thread
  void looking() { set(kLooking); }  // before it may claim a task; then begin() or idle()
  void begin(const TaskId& id, ClientId submitter) {
    high_.store(id.high, std::memory_order_release);
    low_.store(id.low, std::memory_order_release);
    submitter_.store(submitter.value, std::memory_order_release);
    children_.store(0, std::memory_order_release);
    set(kRunning);
  }
  void idle() { set(kIdle); }
  bool stopped() const { return stopped_.load(std::memory_order_acquire) == run_.load(std::memory_order_relaxed); }
  void has_children(std::uint64_t count) { children_.store(count, std::memory_order_relaxed); }
  bool has_source() const { return has_source_; }

  // --- any thread
  // Returns when what it was about to claim has begun. Not with the owner's mutex.
  void await_claim() const;

  // --- with the owner's mutex
  // The number of the run, if it runs that task now; else 0.
  std::uint64_t run_of(const TaskId& id, ClientId submitter) const;
  bool still(std::uint64_t run) const { return run_.load(std::memory_order_acquire) == run; }
  std::uint64_t children() const { return children_.load(std::memory_order_relaxed); }
  Place place() const { return place_; }
  // What it runs goes on here, stopped or not; the other is idle soon.
  void take_over(RunningTask& other);
  // The caller asks the source to stop when it has let go of the lock: that calls the program.
  std::stop_source stop(std::uint64_t run, const owner::Cancellation& how);
  const owner::Cancellation& how() const { return how_; }
  std::stop_token token();  // its thread
  void drop_source();       // its thread

 private:
  enum State : std::uint64_t { kIdle, kLooking, kRunning };
  static constexpr std::uint64_t kStates = 4;
  // Counts up: the state is the remainder.
  void set(State state) {
    const std::uint64_t now = run_.load(std::memory_order_relaxed);
    run_.store(now - now % kStates + (state <= now % kStates ? kStates : 0) + state, std::memory_order_release);
  }

  std::atomic<std::uint64_t> run_{0};
  std::atomic<std::uint64_t> high_{0}, low_{0}, submitter_{0};
  std::atomic<std::uint64_t> children_{0};
  std::atomic<std::uint64_t> stopped_{~std::uint64_t{0}};  // the run that was asked to stop last
  const Place place_;
  bool has_source_ = false;
  std::stop_source source_{std::nostopstate};
  owner::Cancellation how_;
};

// With the owner's mutex.
class RunningTasks {
 public:
  RunningTask& add_thread() {
    threads_.push_back(std::make_unique<RunningTask>(RunningTask::Place::thread));
    places_.push_back(threads_.back().get());
    return *threads_.back();
  }
  void enter(RunningTask& task) { places_.push_back(&task); }
  void leave(RunningTask& task) { std::erase(places_, &task); }
  std::vector<const RunningTask*> threads() const;
  // And the number of the run; null: it does not run here.
  std::pair<RunningTask*, std::uint64_t> find(const TaskId& id, ClientId submitter) const;

 private:
  std::vector<std::unique_ptr<RunningTask>> threads_;
  std::vector<RunningTask*> places_;
};

}  // namespace manta::client
