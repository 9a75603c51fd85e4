#include "core/net/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace manta::net {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);

// Not FUTEX_PRIVATE_FLAG: the waiter is in another process.
void futex_wake_all(std::atomic<std::uint32_t>& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// The deadline is absolute and on CLOCK_MONOTONIC, which is what steady_clock reads.
int futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
               std::chrono::steady_clock::time_point deadline) noexcept {
  const auto since_boot = deadline.time_since_epoch();
  timespec until{};
  if (since_boot > since_boot.zero()) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    until.tv_sec = seconds.count();
    until.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  }
  const long rc = ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return rc == 0 ? 0 : errno;
}

}  // namespace manta::net
