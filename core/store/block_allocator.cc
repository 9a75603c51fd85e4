#include "core/store/block_allocator.h"

#include <algorithm>
#include <cassert>
#include <new>

namespace manta::store {
namespace {

constexpr std::uint64_t kGrain = 64;

// Four classes per power of two; from a page on only whole pages.
struct SizeClasses {
  std::array<std::uint32_t, 64> bytes{};
  std::uint8_t count = 0;
  std::array<std::uint8_t, kSharedPageBytes / kGrain + 1> by_grains{};
  std::array<std::uint8_t, kSlabBlockBytes / kPageBytes + 1> by_pages{};

  constexpr SizeClasses() {
    fill(kGrain, kSharedPageBytes, by_grains.data());
    fill(kPageBytes, kSlabBlockBytes, by_pages.data());
  }

  constexpr void fill(std::uint64_t unit, std::uint64_t largest, std::uint8_t* table) {
    std::uint64_t next = 1;  // the first count of units that has no class yet
    for (std::uint64_t units = 1; units * unit <= largest;) {
      for (; next <= units; ++next) table[next] = count;
      bytes[count++] = static_cast<std::uint32_t>(units * unit);
      std::uint64_t power = 1;
      while (power * 2 <= units) power *= 2;
      units += std::max<std::uint64_t>(1, power / 4);
    }
    table[0] = table[1];
  }

  constexpr std::uint8_t of(std::uint64_t size_bytes) const {
    return size_bytes <= kSharedPageBytes ? by_grains[(size_bytes + kGrain - 1) / kGrain]
                                          : by_pages[(size_bytes + kPageBytes - 1) / kPageBytes];
  }
};
constexpr SizeClasses kClasses;
static_assert(kClasses.bytes[kClasses.of(0)] == 64 && kClasses.bytes[kClasses.of(65)] == 128);
static_assert(kClasses.bytes[kClasses.of(2048)] == 2048 && kClasses.bytes[kClasses.of(2049)] == 4096);
static_assert(kClasses.bytes[kClasses.of(kSlabBlockBytes)] == kSlabBlockBytes);

constexpr std::uint64_t pages_for(std::uint64_t size_bytes) { return (size_bytes + kPageBytes - 1) / kPageBytes; }

constexpr std::uint64_t slab_bytes(std::uint32_t slot_bytes) {
  if (slot_bytes <= kSharedPageBytes) return 64 * 1024;
  return std::max<std::uint64_t>(128 * 1024, 8 * std::uint64_t{slot_bytes});
}

}  // namespace

BlockAllocator::BlockAllocator(std::uint64_t size_bytes, PageHeap::KeepWarm keep_warm, PageHeap::Release release)
    : heap_(size_bytes / kPageBytes, std::move(keep_warm), std::move(release)),
      size_pages_(size_bytes / kPageBytes),
      span_of_page_(make_sparse_array<std::uint32_t>(size_pages_ + 1)) {
  if (span_of_page_ == nullptr) throw std::bad_alloc();
}

std::uint64_t BlockAllocator::rounded(std::uint64_t size_bytes) {
  return size_bytes <= kSlabBlockBytes ? kClasses.bytes[kClasses.of(size_bytes)] : pages_for(size_bytes) * kPageBytes;
}

std::optional<std::uint64_t> BlockAllocator::allocate(std::uint64_t size_bytes) {
  if (size_bytes > kSlabBlockBytes) return allocate_large(rounded(size_bytes));
  const std::uint8_t size_class = kClasses.of(size_bytes);
  Span* slab = with_space_[size_class];
  if (slab == nullptr) [[unlikely]] {
    slab = new_slab(size_class);
    // Where no slab fits any more, one block may still fit.
    if (slab == nullptr) return allocate_large(kClasses.bytes[size_class]);
  }
  const std::uint32_t slot = slab->free_count > 0 ? slab->free_slots[--slab->free_count] : slab->carved++;
  slab->live[slot / 64] |= std::uint64_t{1} << (slot % 64);
  if (slab->is_full()) unlink(*slab);
  return slab->first_page * kPageBytes + slot * slab->block_bytes;
}

std::optional<std::uint64_t> BlockAllocator::allocate_large(std::uint64_t block_bytes) {
  const std::uint64_t alignment = block_bytes >= kAlignedFromBytes ? kHugePageBytes / kPageBytes : 1;
  const auto first_page = heap_.allocate(pages_for(block_bytes), alignment);
  if (!first_page) return std::nullopt;
  const Span* span = take_span(*first_page, pages_for(block_bytes), block_bytes);
  span_of_page_[*first_page] = span->index + 1;
  return *first_page * kPageBytes;
}

BlockAllocator::Span* BlockAllocator::new_slab(std::uint8_t size_class) {
  const std::uint32_t slot_bytes = kClasses.bytes[size_class];
  const std::uint64_t pages = pages_for(slab_bytes(slot_bytes));
  const auto first_page = heap_.allocate(pages);
  if (!first_page) return nullptr;
  Span* slab = take_span(*first_page, pages, slot_bytes);
  slab->size_class = size_class;
  slab->slots = static_cast<std::uint16_t>(std::min<std::uint64_t>(kMaxSlots, pages * kPageBytes / slot_bytes));
  slab->free_slots = std::make_unique_for_overwrite<std::uint16_t[]>(slab->slots);
  std::fill_n(&span_of_page_[*first_page], pages, slab->index + 1);
  link(*slab);
  return slab;
}

std::uint64_t BlockAllocator::free(std::uint64_t offset) {
  const Place place = find(offset);
  if (place.span == nullptr) return 0;
  const std::uint64_t block_bytes = place.span->block_bytes;
  if (place.span->slots == 0) {
    give_back(*place.span, place.span->pages);
  } else {
    free_slot(*place.span, place.slot);
  }
  return block_bytes;
}

void BlockAllocator::free_slot(Span& slab, std::uint32_t slot) {
  const bool was_full = slab.is_full();
  slab.live[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  slab.free_slots[slab.free_count++] = static_cast<std::uint16_t>(slot);
  if (was_full) link(slab);
  // The last slab of a class with space stays: a block that comes and goes would else make and drop it each time.
  if (slab.is_empty() && (slab.next != nullptr || slab.previous != nullptr)) {
    unlink(slab);
    give_back(slab, carved_pages(slab));
  }
}

std::uint64_t BlockAllocator::carved_pages(const Span& slab) const { return pages_for(slab.carved * slab.block_bytes); }

std::uint64_t BlockAllocator::size_of(std::uint64_t offset) const {
  const Place place = find(offset);
  return place.span == nullptr ? 0 : place.span->block_bytes;
}

BlockAllocator::Place BlockAllocator::find(std::uint64_t offset) const {
  const std::uint64_t page = offset / kPageBytes;
  if (page >= size_pages_ || span_of_page_[page] == 0) return {};
  auto& span = const_cast<Span&>(spans_[span_of_page_[page] - 1]);
  const std::uint64_t within = offset - span.first_page * kPageBytes;
  if (span.slots == 0) return within == 0 ? Place{&span, 0} : Place{};
  const std::uint32_t slot = static_cast<std::uint32_t>(within) / static_cast<std::uint32_t>(span.block_bytes);
  if (slot >= span.slots || slot * span.block_bytes != within) return {};
  return (span.live[slot / 64] >> (slot % 64)) & 1 ? Place{&span, slot} : Place{};
}

BlockAllocator::Span* BlockAllocator::take_span(std::uint64_t first_page, std::uint64_t pages,
                                                std::uint64_t block_bytes) {
  if (unused_spans_.empty()) {
    unused_spans_.push_back(static_cast<std::uint32_t>(spans_.size()));
    spans_.emplace_back();
  }
  const std::uint32_t index = unused_spans_.back();
  unused_spans_.pop_back();
  Span& span = spans_[index];
  span.index = index;
  span.first_page = first_page;
  span.pages = pages;
  span.block_bytes = block_bytes;
  return &span;
}

void BlockAllocator::give_back(Span& span, std::uint64_t touched_pages) {
  std::fill_n(&span_of_page_[span.first_page], span.slots == 0 ? 1 : span.pages, 0u);
  heap_.free(span.first_page, span.pages, touched_pages);
  const std::uint32_t index = span.index;
  span = Span{};
  unused_spans_.push_back(index);
}

void BlockAllocator::link(Span& slab) {
  Span*& head = with_space_[slab.size_class];
  slab.next = head;
  if (head != nullptr) head->previous = &slab;
  head = &slab;
}

void BlockAllocator::unlink(Span& slab) {
  if (slab.previous != nullptr) {
    slab.previous->next = slab.next;
  } else {
    with_space_[slab.size_class] = slab.next;
  }
  if (slab.next != nullptr) slab.next->previous = slab.previous;
  slab.previous = slab.next = nullptr;
}

}  // namespace manta::store
