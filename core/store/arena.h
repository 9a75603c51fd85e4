// One client's part of the node's object store: blocks in a sparse memfd that every process of the node can map.
//
// The creator maps it shared and allocates. Readers get a descriptor opened for reading only (reopen_read_only of
// core/net/shared_memory.h), so that no writable shared mapping can be made from it, and map it privately: an in-place
// write by a reader copies the page and harms no other process. The size is sealed. (F_SEAL_FUTURE_WRITE would protect
// more, but it also forbids the creator to give freed pages back: STORE-4.)
//
//   STORE-1  allocator state is private to the creator: nothing in shared memory is trusted
//   STORE-2  the sum of live block sizes of all clients never exceeds the node's capacity
//   STORE-3  a block never moves and never overlaps another live block; blocks are aligned to 64 bytes; blocks of more
//            than kSharedPageBytes share their pages with no other. Smaller ones must be copied out and never written
//            through a view: a private copy of the page would hide later blocks in it from that reader
//   STORE-4  freed pages stay warm up to a bound for all clients of the node together, and a little for each (fresh
//            ones cost 10 times more to write), the rest goes back
//   STORE-5  what lies in a whole 2 MiB of a large block is one huge page, where the kernel can: it is made 5 times
//            faster than 512 small ones, and a reader's first touch is one fault instead of 512
//
// The budget of STORE-2 is what guards the machine: a write to a fresh page that the kernel cannot back (a full tmpfs
// or cgroup) ends the process with SIGBUS or the OOM killer, and cannot be caught cheaply.
//
// Threading: none of its own (the owner's lock). Ownership: the mapping ends with the object; blocks not freed stay in
// the memfd for the processes that hold its descriptor.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/base/fd.h"
#include "core/net/node_page.h"

namespace manta::store {

inline constexpr std::uint64_t kSharedPageBytes = 2048;
inline constexpr std::uint64_t kOwnWarmBytes = 2ull << 20;  // of each client, uncounted
// What the clients of a node keep warm together.
constexpr std::uint64_t warm_limit_bytes(std::uint64_t capacity_bytes) {
  return std::max<std::uint64_t>(256ull << 20, capacity_bytes / 4);
}

struct Block {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;  // as asked for; what it takes of the budget is Arena::size_of
  std::byte* data = nullptr;
};

// A sparse memfd for an arena of that capacity, close-on-exec, its size sealed: somewhat larger than the capacity, so
// that free memory in pieces is still enough. exhausted / unavailable with the kernel's reason.
[[nodiscard]] Result<Fd> create_arena_memory(std::uint64_t capacity_bytes);

class Arena {
 public:
  // Maps the memory. All clients of the node share the counters `node`; `own` holds this client's part of them, so that
  // the daemon can take it off when the client dies. warm_bytes: the bound of STORE-4.
  [[nodiscard]] static Result<std::unique_ptr<Arena>> open(Fd memory, std::uint64_t capacity_bytes,
                                                           net::StoreCounters& node, net::StoreCounters& own,
                                                           std::uint64_t warm_bytes);
  [[nodiscard]] static Result<std::unique_ptr<Arena>> open(Fd memory, std::uint64_t capacity_bytes,
                                                           net::StoreCounters& node, net::StoreCounters& own) {
    return open(std::move(memory), capacity_bytes, node, own, warm_limit_bytes(capacity_bytes));
  }
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // exhausted, with the sizes: "object of 3.0 GiB does not fit the store: capacity 2.0 GiB, 1.5 GiB in use; ...".
  [[nodiscard]] Result<Block> allocate(std::uint64_t size_bytes);
  // Before a large block is written: its huge pages (STORE-5). Any thread, without the owner's lock: it may take 0.1 ms
  // for each MiB. What the block held is lost.
  void prepare(const Block& block);
  void free(std::uint64_t offset);   // of a live block; an unknown offset is our bug: aborts in debug, ignored else
  std::uint64_t used_bytes() const;  // of live blocks, by rounded sizes
  std::byte* at(std::uint64_t offset) const;
  std::uint64_t size_of(std::uint64_t offset) const;  // rounded; 0 where no live block starts
  // False where the kernel or a sandbox has no seals: a peer that shrinks the memory can then end this process.
  bool sealed() const;
  // A descriptor for readers. unavailable: /proc is not mounted here.
  [[nodiscard]] Result<Fd> reader_memory() const;

 private:
  struct State;
  explicit Arena(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Another client's arena, mapped privately for reading.
//
// Threading: all methods from any thread. Ownership: the mapping; pointers from at() end with it.
class ArenaView {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const ArenaView>> open(Fd memory);
  ~ArenaView();
  std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  // invalid_argument if [offset, offset + size) is not inside.
  [[nodiscard]] Result<const std::byte*> at(std::uint64_t offset, std::uint64_t size_bytes) const;
  // Drops private copies of the pages: call when the last view of the block is gone, before it can be reused. With
  // offset and size of the whole block; nothing happens for blocks that share pages.
  void forget(std::uint64_t offset, std::uint64_t size_bytes) const;

 private:
  ArenaView(std::byte* base, std::uint64_t capacity) : base_(base), capacity_bytes_(capacity) {}
  std::byte* base_;
  std::uint64_t capacity_bytes_;
};

}  // namespace manta::store
