// How a thread polls for what another process answers in under a microsecond: for how long, and on which CPU.
//
// Two threads that answer each other on two CPUs need 0.7 us for a round. Where they share a CPU, a round takes two
// context switches: 2 us if each gives way at once, 100 us if each polls in vain first. Linux lets them share a CPU for
// as long as another program keeps the other one busy. Such a pair counts as disturbed: one of the two moves to the
// other CPU, and both poll longer than the 4 ms for which the other program then has it.
//
// Threading: each object is one thread's.
#pragma once

#include <sched.h>

#include <chrono>
#include <cstdint>

namespace manta::net {

// The CPU that this thread runs on: a read of memory where the C library has restartable sequences (glibc 2.35).
inline std::uint32_t this_cpu() noexcept { return static_cast<std::uint32_t>(::sched_getcpu()); }

class Spin {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLongest{6};
  static constexpr std::uint32_t kYields = 256;

  // moves: this thread is the one of the pair that leaves the CPU that both use.
  explicit constexpr Spin(bool moves) noexcept : moves_(moves) {}

  // A wait begins. It polls for `shortest`, for more if the pair is disturbed and work came without a pause before:
  // polling in vain takes at most twice the time of that work. 0: not at all.
  void begin(Clock::time_point now, Clock::duration shortest) noexcept;
  // Nothing has come for `waited`. True: sleep.
  bool over(Clock::duration waited) noexcept {
    waited_ = waited;
    return waited >= limit_;
  }
  // The peer was last seen on this CPU, so it cannot run.
  void give_way() noexcept {
    ::sched_yield();
    if (++yields_ % kYields == 0) gave_way_often(Clock::now());
  }
  // It did so kYields times since the last such call, or since the start.
  void gave_way_often(Clock::time_point now) noexcept;
  // The peer may wait for this CPU. A disturbed pair keeps it: the other program would have it for 4 ms.
  void perhaps_give_way() noexcept {
    if (!disturbed_) ::sched_yield();
  }

 private:
  void move_away(Clock::time_point now) noexcept;

  bool moves_;
  bool disturbed_ = false;
  std::uint32_t yields_ = 0;
  Clock::time_point gave_way_often_{};
  Clock::time_point disturbed_until_{};
  Clock::time_point next_move_{};
  Clock::duration between_moves_{};
  Clock::time_point begun_{};
  Clock::duration shortest_{};
  Clock::duration waited_{};
  Clock::duration credit_{};
  Clock::duration limit_{};
};

}  // namespace manta::net
