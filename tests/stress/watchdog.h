// Notices that a program no longer gets on, says what it waits for, and ends it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

namespace manta::stress {

// If progress() is not called for `limit`, prints what is open in this process' Manta (which tasks, their phases, their
// leases), what `more` prints, the state of every process of the run and where their threads are asleep, and aborts.
// With MANTA_STRESS_HANG=wait in the environment it does not abort but waits, for a debugger.
//
// Threading: progress() from any thread; make it after init (it has a thread). Ownership: joins its thread.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::seconds limit = std::chrono::seconds(60), std::function<void()> more = {});
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void progress() { count_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void watch();

  std::chrono::seconds limit_;
  std::function<void()> more_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What the watchdog prints.
void print_state();

// A seed: of the command line's --seed=N, else a random one; printed.
std::uint64_t seed_of(int argc, char** argv);
// The number in --NAME=N, else `otherwise`.
double option(int argc, char** argv, const char* name, double otherwise);

}  // namespace manta::stress
