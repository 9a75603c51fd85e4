// Wakes a process of the same node, but only if it sleeps.
//
// Every client has one doorbell in a page that the node shares with all. A peer that published something for it sets a
// bit (which of 64 groups of rings to look at) and calls the kernel only if a thread sleeps there.
//
//   BELL-1  no lost wake-up: work published before ring() is seen by a sleeper, or by the check before it sleeps
//   BELL-2  a spurious ring (hostile or stale peer) costs one look and nothing else
//
// Threading: ring() from any process and thread; sleep() from any thread of the owner. Sequentially consistent
// read-modify-writes, not fences, so that ThreadSanitizer can follow.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace manta::net {

struct alignas(64) Doorbell {
  static constexpr std::uint32_t kNoCpu = ~std::uint32_t{0};

  std::atomic<std::uint64_t> ready{0};     // groups of rings with events
  std::atomic<std::uint32_t> sleepers{0};  // threads in, or about to enter, the futex
  std::atomic<std::uint32_t> rings{0};     // futex word: counts wake-ups
  // The CPU on which a thread of the owner last polled. A peer that waits for it on the same CPU gives way at once
  // instead of spinning: the owner cannot be running there. Only a hint: it may be old, or a hostile value.
  std::atomic<std::uint32_t> cpu{kNoCpu};

  // The owner looks from this CPU. A write only where it changes, so that the peers keep the line.
  void look_from(std::uint32_t here) noexcept {
    if (cpu.load(std::memory_order_relaxed) != here) cpu.store(here, std::memory_order_relaxed);
  }

  // Sets the group's bit and wakes the threads that sleep.
  void ring(std::uint32_t group) noexcept;
  // Wakes sleepers although no ring has an event (a thread of the same process has something for them).
  void wake() noexcept;
  // Takes and clears all bits.
  std::uint64_t take() noexcept { return ready.exchange(0, std::memory_order_seq_cst); }

  // Sleeps until rung or woken since `seen` was read from rings, or until the deadline. Read `seen`, then check for
  // work, then sleep: what comes in between returns at once. Also returns at once if bits are set. False: the deadline.
  bool sleep(std::uint32_t seen, std::chrono::steady_clock::time_point deadline) noexcept;
};

}  // namespace manta::net
