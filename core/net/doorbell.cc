#include "core/net/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace manta::net {
namespace {

static_assert(sizeof(Doorbell) == 64, "one cache line: a ring touches no other");
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(std::atomic<std::uint64_t>) == 8);

// Not FUTEX_PRIVATE_FLAG: the waiter is in another process.
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// 0, or the errno. The deadline is absolute and on CLOCK_MONOTONIC, which is what steady_clock reads.
int futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::chrono::steady_clock::time_point deadline) noexcept {
  const auto since_boot = deadline.time_since_epoch();
  timespec until{};
  if (since_boot > since_boot.zero()) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    until.tv_sec = seconds.count();
    until.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  }
  const long rc =
      ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return rc == 0 ? 0 : errno;
}

}  // namespace

void Doorbell::ring(std::uint32_t group) noexcept {
  ready.fetch_or(std::uint64_t{1} << (group & 63), std::memory_order_seq_cst);
  wake();
}

void Doorbell::wake() noexcept {
  // Counted even if nobody sleeps: who read `seen` before and is about to sleep finds the count changed.
  rings.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) != 0) futex_wake_all(rings);
}

bool Doorbell::sleep(std::uint32_t seen, std::chrono::steady_clock::time_point deadline) noexcept {
  // Either the ringer sees this increment and wakes us, or we see its ring below (or the futex does).
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  bool rung = true;
  if (rings.load(std::memory_order_seq_cst) == seen && ready.load(std::memory_order_seq_cst) == 0) {
    // Interrupted by a signal counts as rung (BELL-2): the caller may have something to do about it.
    rung = futex_wait(rings, seen, deadline) != ETIMEDOUT;
  }
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
  return rung;
}

}  // namespace manta::net
