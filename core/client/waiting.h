// Waiting for results: take in what is there, poll, run here what is waited for, sleep.
//
//   CLIENT-1  a thread that waits drains the result rings itself; the background thread does it only while none waits
//   CLIENT-4  a worker's thread that waits gives the lease's CPUs back after kBlockedAfter; a thread that runs a task
//             first runs the task it waits for itself, if that has not started and fits the CPUs it holds
//
// Threading: any thread, without the owner's mutex. Ownership: what it is made with must outlive it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/client/completions.h"
#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/waits.h"

namespace manta::client {

// What a thread does besides, while it waits.
class WaitContext {
 public:
  virtual ~WaitContext() = default;
  // Runs the entry's task in this thread, if that may be; returns when it has run, or at once.
  virtual void run_here(owner::Entry& entry) = 0;
  virtual void add(Completions& completions, std::span<detail::EntryHead* const> entries) = 0;
  virtual void remove(Completions& completions) = 0;
};

// A worker's: a thread of the process waits, whether it runs a task or a task has started it. Any thread.
class BlockedThreads {
 public:
  virtual ~BlockedThreads() = default;
  // The result is for wait_ends.
  virtual std::uint64_t wait_begins() = 0;
  virtual void wait_ends(std::uint64_t wait) = 0;
};

class Waiting final : public Waits {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kBlockedAfter{100};

  Waiting(ProcessState& state, Results& results, WaitContext& context)
      : state_(state), results_(results), context_(context) {}
  // Before any thread waits. A driver has no CPUs to give back.
  void release_cpus_by(BlockedThreads& blocked) { blocked_ = &blocked; }

  bool wait_for(const std::function<bool()>& done, detail::Deadline deadline) override;
  bool wait_resolved(owner::Entry& entry, detail::Deadline deadline) override;
  // How many are resolved.
  std::size_t wait_any(std::span<detail::EntryHead* const> entries, std::size_t count, detail::Deadline deadline);
  std::size_t next(Completions& completions);
  // Until the actors whose last handle is gone have ended; at most for a moment.
  void wait_for_ending_actors();
  // Until no thread waits, after all has failed.
  void let_go();
  // Whether this thread's last wait ended with its deadline, and was long enough for a reason.
  static bool waited_long();

 private:
  template <class Predicate>
  bool wait_until(Predicate done, detail::Deadline deadline);
  template <class Predicate>
  bool poll(Predicate done, detail::Deadline deadline);
  bool no_actor_ends();

  ProcessState& state_;
  Results& results_;
  WaitContext& context_;
  BlockedThreads* blocked_ = nullptr;
};

}  // namespace manta::client
