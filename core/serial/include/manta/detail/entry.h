// An object as typed code sees it: the head of its entry in the owner's table, and its encoded value. Not for users:
// everything here may change.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <manta/ids.h>

namespace manta::detail {

// Head of an object's entry in the owner's table; the rest is the owner's business.
struct EntryHead {
  // References: Ref objects of this process, and holds of the owner itself (queued tasks, outer objects).
  std::atomic<std::uint32_t> refs{0};
  // Set once, with release, when the value or the error is there; nothing in it changes afterwards, but where the
  // bytes of a large value lie.
  std::atomic<bool> resolved{false};
};

// A reference as it travels inside a value.
struct WireRef {
  ObjectId object;
  ClientId owner;
};

// Identity of a function: upper 32 bits: hash of its module's build id; lower 32 bits: index in the module's table.
struct FunctionId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const FunctionId&, const FunctionId&) = default;
};

// The encoded form of a value, to be read in place.
struct ValueView {
  std::span<const std::byte> bytes;
  bool framed = false;                    // bytes start with a frame that locates out-of-band buffers
  std::shared_ptr<const void> keepalive;  // null: the bytes live as long as the reference that they were read from
  ObjectId object{};                      // whose value it is, where that lies in a store; else none
};

using Deadline = std::chrono::steady_clock::time_point;  // max(): none

inline void retain(EntryHead* entry) noexcept { entry->refs.fetch_add(1, std::memory_order_relaxed); }
void last_reference_gone(EntryHead* entry) noexcept;
inline void release(EntryHead* entry) noexcept {
  if (entry->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) last_reference_gone(entry);
}

}  // namespace manta::detail
