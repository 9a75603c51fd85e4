// Blocks of any size within an arena: small ones from slabs of one size class each, larger ones as runs of pages.
//
// Up to kSharedPageBytes blocks share pages; above it every block has pages of its own, because a reader that writes
// into its private mapping freezes the whole page, neighbours included.
//
// Threading: none of its own. Ownership: offsets only; it never touches the memory.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/store/arena.h"
#include "core/store/page_heap.h"

namespace manta::store {

inline constexpr std::uint64_t kSlabBlockBytes = 256 * 1024;  // the largest size class
// Blocks from kAlignedFromBytes on start at multiples of kHugePageBytes if they can; smaller ones would leave too much
// space between them.
inline constexpr std::uint64_t kHugePageBytes = 2 << 20;
inline constexpr std::uint64_t kAlignedFromBytes = 2 * kHugePageBytes;

class BlockAllocator {
 public:
  // Of memory that was never touched: pages are cold at first. keep_warm and release as in PageHeap.
  BlockAllocator(std::uint64_t size_bytes, PageHeap::KeepWarm keep_warm, PageHeap::Release release);

  // What a block of that size takes: its size class, or whole pages. size_bytes must be below 2^62.
  static std::uint64_t rounded(std::uint64_t size_bytes);

  // The offset of a block of rounded(size_bytes); nothing: no space for it in one piece.
  std::optional<std::uint64_t> allocate(std::uint64_t size_bytes);
  // The rounded size; 0: no live block starts there, nothing was done.
  std::uint64_t free(std::uint64_t offset);
  std::uint64_t size_of(std::uint64_t offset) const;

  const PageHeap& pages() const { return heap_; }

 private:
  static constexpr std::uint32_t kMaxSlots = 1024;

  // A slab, or one large block (slots == 0). Stays at its address, and is reused after it is freed.
  struct Span {
    std::uint64_t first_page = 0;
    std::uint64_t pages = 0;
    std::uint64_t block_bytes = 0;  // rounded size of each block
    std::uint32_t index = 0;        // in spans_
    std::uint16_t slots = 0;
    std::uint16_t carved = 0;  // slots ever given out: the first so many
    std::uint16_t free_count = 0;
    std::uint8_t size_class = 0;
    Span* previous = nullptr;  // in its class's list of slabs with space
    Span* next = nullptr;
    std::unique_ptr<std::uint16_t[]> free_slots;  // a stack of carved ones
    std::array<std::uint64_t, kMaxSlots / 64> live{};

    bool is_full() const { return free_count == 0 && carved == slots; }
    bool is_empty() const { return free_count == carved; }
  };
  struct Place {
    Span* span = nullptr;  // null: no live block starts there
    std::uint32_t slot = 0;
  };

  Span* new_slab(std::uint8_t size_class);
  std::optional<std::uint64_t> allocate_large(std::uint64_t block_bytes);
  void free_slot(Span& slab, std::uint32_t slot);
  std::uint64_t carved_pages(const Span& slab) const;
  Place find(std::uint64_t offset) const;
  Span* take_span(std::uint64_t first_page, std::uint64_t pages, std::uint64_t block_bytes);
  void give_back(Span& span, std::uint64_t touched_pages);
  void link(Span& slab);
  void unlink(Span& slab);

  PageHeap heap_;
  std::uint64_t size_pages_;
  SparseArray<std::uint32_t> span_of_page_;  // index in spans_ + 1; for a large block its first page only
  std::deque<Span> spans_;
  std::vector<std::uint32_t> unused_spans_;
  std::array<Span*, 64> with_space_{};  // by size class
};

}  // namespace manta::store
