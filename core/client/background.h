// The background thread: ticks of the owner, results while no thread waits for them, what is due later.
//
// It exists from the first wake() on, and sleeps while the owner has nothing to do.
//
// Threading: any thread. Ownership: what it is made with must outlive stop().
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "core/base/mutex.h"
#include "core/client/process_state.h"
#include "core/client/results.h"

namespace manta::client {

class BackgroundContext {
 public:
  using Time = std::chrono::steady_clock::time_point;
  virtual ~BackgroundContext() = default;
  // With the owner's mutex, at each tick. True: call it again soon.
  virtual bool look(Time now) MANTA_REQUIRES(owner_mutex) = 0;
  // While there is nothing else to do. Returns when to call it again; max(): not before the next wake().
  virtual Time expire(Time now) = 0;
};

class Background {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{1};

  Background(ProcessState& state, Results& results, BackgroundContext& context)
      : state_(state), results_(results), context_(context) {}
  ~Background() { stop(); }

  // There is something to do. Cheap where the thread is awake.
  void wake() {
    if (parked_.load(std::memory_order_relaxed)) unpark();
  }
  bool parked() const { return parked_.load(std::memory_order_relaxed); }
  void stop();

 private:
  void unpark();
  void run();
  bool tick(std::chrono::milliseconds passed, std::uint32_t& seen);
  void take_results(Clock::time_point until, std::uint32_t seen);
  bool pause(Clock::time_point until);

  ProcessState& state_;
  Results& results_;
  BackgroundContext& context_;
  std::atomic<bool> parked_{true};
  Mutex mutex_;  // after the owner's
  CondVar wake_;
  bool stop_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace manta::client
