#include "core/net/doorbell.h"

#include <cerrno>

#include "core/net/futex.h"

namespace manta::net {
namespace {

static_assert(sizeof(Doorbell) == 64, "one cache line: a ring touches no other");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(std::atomic<std::uint64_t>) == 8);

}  // namespace

void Doorbell::ring(std::uint32_t group) noexcept {
  ready.fetch_or(std::uint64_t{1} << (group & 63), std::memory_order_seq_cst);
  wake();
}

void Doorbell::wake() noexcept {
  // Counted even if no thread sleeps: one that read `seen` before and is about to sleep finds the count changed.
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
