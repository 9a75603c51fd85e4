// One member of a group in shared memory: its view of the memory, waiting for the others, and steps (transport.h).
//
//   SLOT-1  a rank publishes step j after it has read step j - 2. So a rank that sees j - 2 published knows that j - 4
//           was read, and with four slots a slot is never overwritten while a rank reads it, with no second wait
//
// Threading: as Transport; ring() from any thread, too.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/collective.h>

#include "core/base/fd.h"
#include "core/collective/rendezvous.h"
#include "core/collective/shared_block.h"
#include "core/collective/transport.h"

namespace manta::collective {

class Member {
 public:
  using Clock = std::chrono::steady_clock;

  Member(std::unique_ptr<SharedBlock> block, const Rendezvous& rendezvous);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  Channel& channel(int from, int to) { return block_->channel(from, to); }

  // Waits until all have joined, and looks for their ends from then on. Throws what check returns meanwhile.
  void meet(const Check& check);

  std::span<std::byte> next_space() {
    require_usable();
    return slot(rank_, published_ + 1).data;
  }
  void publish(const Announcement& announcement, const Payload& payload) noexcept;
  std::span<const Contribution> await_step();

  // Waits for ready(); missing(rank): whether the wait is for this rank. Throws what ended it, and then nothing works.
  template <class Ready, class Missing>
  void wait(Ready&& ready, Missing&& missing) {
    if (ready() || spin(ready)) return;
    const auto deadline = Clock::now() + timeout_;
    for (auto slice = kFirstSlice; !ready(); slice = std::min(2 * slice, kLongestSlice)) {
      sleep(ready, std::min(deadline, Clock::now() + slice));
      if (ready()) return;
      for (int peer = 0; peer < size_; ++peer) {
        if (peer != rank_ && !missing(peer)) continue;
        auto trouble = trouble_with(peer);
        if (trouble && !ready()) give_up(std::move(*trouble));  // it may have done its part before it ended
      }
      if (Clock::now() >= deadline && !ready()) give_up(late(missing));
    }
  }

  void set_patient(bool patient) noexcept { patient_ = patient || spare_cpus_; }
  void set_timeout(std::chrono::milliseconds timeout) noexcept { timeout_ = timeout; }
  std::chrono::milliseconds timeout() const noexcept { return timeout_; }
  std::uint64_t published_steps() const noexcept { return published_; }
  // What errors say that this rank does.
  void set_current(const Announcement& announcement) { current_ = announcement; }
  void require_usable() const {
    if (broken_ || aborted_.load(std::memory_order_relaxed)) throw_broken();
  }
  // Wakes the rank if it sleeps. What it waits for has been written by a sequentially consistent read-modify-write.
  void ring(int rank) noexcept;
  void set_begun(std::uint64_t count) noexcept;
  std::optional<Error> lost_before(std::uint64_t count);
  // Why this rank cannot go on with the peer: it died, left or gave up. Of this rank itself: that it gave up.
  std::optional<Error> trouble_with(int peer);
  // Ends all waits with this error, also the others'.
  void abort(ErrorCode code, std::string_view reason) noexcept;

 private:
  static constexpr std::chrono::milliseconds kFirstSlice{2};  // between two looks for dead peers
  static constexpr std::chrono::milliseconds kLongestSlice{16};

  // Spinning is for peers that run meanwhile. Where one ran last on this very CPU, this thread gives way instead, which
  // costs a tenth of a sleep and a wake-up. Spins get shorter while they do not help, because then other threads want
  // the CPUs too.
  static constexpr std::chrono::nanoseconds kShortestSpin{2'000};
  static constexpr int kMostYields = 64;

  Slot& slot(int rank, std::uint64_t step) { return block_->rank(rank).slots[step % kSlots]; }
  std::span<const std::byte> data_for_this_rank(const Slot& slot) const noexcept;
  bool shares_cpu() const noexcept;
  bool published(int rank, std::uint64_t step) {
    return slot(rank, step).sequence.load(std::memory_order_seq_cst) >= step;
  }
  void await_all(std::uint64_t step);

  template <class Ready>
  bool spin(Ready& ready) {
    if (spin_now_.count() == 0 || !patient_) return false;
    if (shares_cpu()) return give_way(ready);
    const auto end = Clock::now() + spin_now_;
    do {
      for (int i = 0; i < 64; ++i) {
        if (ready()) {
          spin_now_ = std::min(2 * spin_now_, spin_);
          return true;
        }
        pause();
      }
    } while (Clock::now() < end);
    spin_now_ = std::max(spin_now_ / 2, std::min(spin_, kShortestSpin));
    return false;
  }
  template <class Ready>
  bool give_way(Ready& ready) {
    for (int i = 0; i < kMostYields && shares_cpu(); ++i) {
      yield();
      if (ready()) return true;
    }
    return false;
  }
  template <class Ready>
  void sleep(Ready& ready, Clock::time_point until) {
    Bell& bell = block_->rank(rank_).bell;
    const std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
    bell.sleepers.fetch_add(1, std::memory_order_seq_cst);  // a rank that publishes after ready() below sees this
    if (!ready()) sleep_on(bell, seen, until);
    bell.sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }
  template <class Missing>
  Error late(Missing& missing) const {
    std::string ranks;
    for (int peer = 0; peer < size_; ++peer) {
      if (peer != rank_ && missing(peer)) ranks += (ranks.empty() ? "" : ", ") + std::to_string(peer);
    }
    return late_error(ranks);
  }

  static void pause() noexcept;
  static void yield() noexcept;
  static void sleep_on(Bell& bell, std::uint32_t seen, Clock::time_point until) noexcept;
  Error late_error(const std::string& ranks) const;
  bool has_ended(int peer) const;
  [[noreturn]] void give_up(Error error);
  [[noreturn]] void throw_broken() const;

  const std::unique_ptr<SharedBlock> block_;
  const int rank_;
  const int size_;
  std::chrono::milliseconds timeout_;
  const std::chrono::nanoseconds spin_;
  std::chrono::nanoseconds spin_now_;
  const bool spare_cpus_;  // two for each member
  bool patient_ = true;
  std::uint64_t published_ = 0;              // this rank's latest step, from 1
  std::uint64_t seen_ = 0;                   // the latest step that all have published
  std::vector<Contribution> contributions_;  // of that step
  Announcement current_{};
  std::vector<Fd> peers_;  // pidfds; empty where the kernel has none, or the rank is of this process
  std::optional<Error> broken_;
  std::atomic<bool> aborted_{false};
};

}  // namespace manta::collective
