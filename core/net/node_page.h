// The page that a node shares with all its processes: doorbells, the store's budget, whether leases are scarce.
//
//   PAGE-1  nothing in it is trusted for memory safety: a hostile process can wake others or spoil the count of bytes,
//           not more
//
// Threading: atomics only. Ownership: made by the node process, mapped by all its processes from one memfd.
#pragma once

#include <atomic>
#include <cstdint>

#include <manta/ids.h>

#include "core/net/crash_record.h"
#include "core/net/doorbell.h"

namespace manta::net {

// What the object store takes: of the whole node, and each client's part of it, which the daemon takes off at its end.
struct StoreCounters {
  std::atomic<std::uint64_t> used_bytes{0};  // of live blocks
  std::atomic<std::uint64_t> warm_bytes{0};  // of freed ones that are kept, less what each may keep anyway
};

// One client's place.
struct ClientSlot {
  Doorbell replies;                 // its events as a submitter: results of its tasks
  Doorbell tasks;                   // its events as a worker: tasks to run
  alignas(64) StoreCounters store;  // of its own arena
  // Of a worker: the function whose output it is that it writes from now on (net/output_mark.h).
  std::atomic<std::uint64_t> function{0};
  std::atomic<bool> untimed{false};  // it has events of the timeline (observe/timeline.h) that are not in the file yet
  std::atomic<bool> printed{false};  // the node has read output of it; the worker takes note and resets it
};

struct NodePage {
  static constexpr std::uint64_t kMagic = 0x65676170'61746e61;
  static constexpr std::uint32_t kSlots = 8192;

  std::uint64_t magic;
  std::uint64_t store_capacity_bytes;
  alignas(64) StoreCounters store;
  alignas(64) std::atomic<bool> others_wait;  // some process wants a lease and has none: return idle ones
  std::atomic<std::int64_t> clock_offset_ns;  // what to add to CLOCK_MONOTONIC here for that of the head's host
  alignas(64) ClientSlot slots[kSlots];
  alignas(64) CrashRecord crashes[kSlots];  // of the clients in these slots
};

// Doorbells have 64 groups; a ring's is chosen by the peer's id.
inline std::uint32_t group_of(ClientId peer) { return static_cast<std::uint32_t>(peer.value & 63); }

}  // namespace manta::net
