#include "core/store/arena.h"

#include <sys/mman.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "core/net/shared_memory.h"
#include "core/store/block_allocator.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace manta::store {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 46;  // an address space has 47 bits

std::uint64_t address_bytes(std::uint64_t capacity_bytes) {
  const std::uint64_t bytes = capacity_bytes + capacity_bytes / 2 + (64 << 20);
  return bytes / kPageBytes * kPageBytes;
}

// "1.5 GiB"
std::string for_people(std::uint64_t size_bytes) {
  constexpr std::array units = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (size_bytes < 1024) return std::to_string(size_bytes) + " bytes";
  double value = static_cast<double>(size_bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f %s", value, units[unit]);
  return text.data();
}

}  // namespace

Result<Fd> create_arena_memory(std::uint64_t capacity_bytes) {
  if (capacity_bytes > kMaxBytes) {
    return fail(ErrorCode::invalid_argument, "store capacity of " + for_people(capacity_bytes) + " is not possible");
  }
  return net::create_shared_memory("manta-arena", address_bytes(capacity_bytes));
}

struct Arena::State {
  State(Fd fd, std::byte* mapped, std::uint64_t size, std::uint64_t capacity, net::StoreCounters& all,
        net::StoreCounters& part, std::uint64_t warm_limit)
      : memory(std::move(fd)),
        base(mapped),
        size_bytes(size),
        capacity_bytes(capacity),
        node(all),
        own(part),
        warm_limit_bytes(warm_limit),
        huge(size / kHugePageBytes / 64 + 1),
        blocks(
            size, [this](std::uint64_t pages) { return keep_warm(pages * kPageBytes) / kPageBytes; },
            [this](std::uint64_t first_page, std::uint64_t pages) {
              return release(first_page * kPageBytes, pages * kPageBytes);
            }) {}

  Fd memory;
  std::byte* base;
  std::uint64_t size_bytes;
  std::uint64_t capacity_bytes;
  net::StoreCounters& node;
  net::StoreCounters& own;  // written by us only
  std::uint64_t used_bytes = 0;
  std::uint64_t warm_bytes = 0;  // as counted
  std::uint64_t warm_limit_bytes;
  // Which 2 MiB of the memory are a huge page. Atomic, because a block is prepared without the owner's lock.
  std::vector<std::atomic<std::uint64_t>> huge;
  std::atomic<bool> can_collapse{true};
  std::atomic<bool> has_collapsed{false};
  BlockAllocator blocks;

  bool book(std::uint64_t bytes);
  void unbook(std::uint64_t bytes);
  std::uint64_t keep_warm(std::uint64_t bytes);
  bool release(std::uint64_t offset, std::uint64_t bytes);
  bool make_huge(std::uint64_t index);
};

// A process killed between the two counters leaves the node's too high, never too low.
bool Arena::State::book(std::uint64_t bytes) {
  std::uint64_t node_used = node.used_bytes.load(std::memory_order_relaxed);
  do {
    if (node_used > capacity_bytes || bytes > capacity_bytes - node_used) return false;
  } while (!node.used_bytes.compare_exchange_weak(node_used, node_used + bytes, std::memory_order_relaxed));
  used_bytes += bytes;
  own.used_bytes.store(used_bytes, std::memory_order_release);
  return true;
}

void Arena::State::unbook(std::uint64_t bytes) {
  used_bytes -= bytes;
  own.used_bytes.store(used_bytes, std::memory_order_release);
  node.used_bytes.fetch_sub(bytes, std::memory_order_release);
}

// STORE-4. The two counters are changed in the same order as in book(), for the same reason.
std::uint64_t Arena::State::keep_warm(std::uint64_t bytes) {
  const std::uint64_t counted = bytes > kOwnWarmBytes ? bytes - kOwnWarmBytes : 0;
  if (counted < warm_bytes) {
    own.warm_bytes.store(counted, std::memory_order_release);
    node.warm_bytes.fetch_sub(warm_bytes - counted, std::memory_order_release);
    warm_bytes = counted;
  } else if (counted > warm_bytes) {
    std::uint64_t all = node.warm_bytes.load(std::memory_order_relaxed);
    std::uint64_t more = 0;
    do {
      more = std::min(counted - warm_bytes, all < warm_limit_bytes ? warm_limit_bytes - all : 0);
    } while (more > 0 && !node.warm_bytes.compare_exchange_weak(all, all + more, std::memory_order_relaxed));
    warm_bytes += more;
    own.warm_bytes.store(warm_bytes, std::memory_order_release);
  }
  return std::min(bytes, warm_bytes + kOwnWarmBytes);
}

bool Arena::State::release(std::uint64_t offset, std::uint64_t bytes) {
  for (std::uint64_t index = offset / kHugePageBytes; index * kHugePageBytes < offset + bytes; ++index) {
    huge[index / 64].fetch_and(~(std::uint64_t{1} << (index % 64)), std::memory_order_relaxed);
  }
  return ::madvise(base + offset, bytes, MADV_REMOVE) == 0;
}

// MADV_COLLAPSE (Linux 6.1) does it whatever /sys/kernel/mm/transparent_hugepage/shmem_enabled says (mostly "never").
bool Arena::State::make_huge(std::uint64_t index) {
  std::byte* place = base + index * kHugePageBytes;
  // Small pages of earlier blocks would be copied.
  if (has_collapsed.load(std::memory_order_relaxed)) ::madvise(place, kHugePageBytes, MADV_REMOVE);
  *reinterpret_cast<volatile std::byte*>(place) = std::byte{0};  // of nothing it makes nothing
  if (::madvise(place, kHugePageBytes, MADV_COLLAPSE) != 0) {
    if (errno == EINVAL || errno == ENOSYS) can_collapse = false;  // else: no huge page is free at the moment
    return false;
  }
  has_collapsed = true;
  huge[index / 64].fetch_or(std::uint64_t{1} << (index % 64), std::memory_order_relaxed);
  return true;
}

void Arena::prepare(const Block& block) {
  const std::uint64_t end = (block.offset + block.size_bytes) / kHugePageBytes;
  for (std::uint64_t index = (block.offset + kHugePageBytes - 1) / kHugePageBytes; index < end; ++index) {
    if ((state_->huge[index / 64].load(std::memory_order_relaxed) >> (index % 64)) & 1) continue;
    if (!state_->can_collapse.load(std::memory_order_relaxed) || !state_->make_huge(index)) return;
  }
}

Result<std::unique_ptr<Arena>> Arena::open(Fd memory, std::uint64_t capacity_bytes, net::StoreCounters& node,
                                           net::StoreCounters& own, std::uint64_t warm_bytes) {
  auto size_bytes = net::fixed_size_of(memory.get());
  if (!size_bytes) return tl::make_unexpected(size_bytes.error().with_context("store"));
  *size_bytes = *size_bytes / kPageBytes * kPageBytes;
  auto base = net::map_memory(memory.get(), *size_bytes, net::Mapping::shared);
  if (!base) return tl::make_unexpected(base.error().with_context("store"));
  return std::unique_ptr<Arena>(
      new Arena(std::make_unique<State>(std::move(memory), *base, *size_bytes, capacity_bytes, node, own, warm_bytes)));
}

Arena::Arena(std::unique_ptr<State> state) : state_(std::move(state)) {}

Arena::~Arena() { net::unmap_memory(state_->base, state_->size_bytes); }

Result<Block> Arena::allocate(std::uint64_t size_bytes) {
  const std::uint64_t rounded = size_bytes <= state_->capacity_bytes ? BlockAllocator::rounded(size_bytes) : size_bytes;
  if (size_bytes > kMaxBytes || !state_->book(rounded)) [[unlikely]] {
    return fail(ErrorCode::exhausted,
                "object of " + for_people(size_bytes) + " does not fit the store: capacity " +
                    for_people(state_->capacity_bytes) + ", " +
                    for_people(state_->node.used_bytes.load(std::memory_order_relaxed)) +
                    " in use; drop references to objects, or raise InitOptions::store_capacity_bytes");
  }
  const auto offset = state_->blocks.allocate(size_bytes);
  if (!offset) [[unlikely]] {
    state_->unbook(rounded);
    return fail(ErrorCode::exhausted, "object of " + for_people(size_bytes) +
                                          " does not fit the store in one piece: the longest free one has " +
                                          for_people(state_->blocks.pages().longest_run_pages() * kPageBytes) +
                                          "; drop references to objects, or raise InitOptions::store_capacity_bytes");
  }
  return Block{*offset, size_bytes, state_->base + *offset};
}

void Arena::free(std::uint64_t offset) {
  const std::uint64_t bytes = state_->blocks.free(offset);
  assert(bytes != 0 && "no live block starts at this offset");
  if (bytes != 0) state_->unbook(bytes);
}

std::uint64_t Arena::used_bytes() const { return state_->used_bytes; }
std::byte* Arena::at(std::uint64_t offset) const { return state_->base + offset; }
std::uint64_t Arena::size_of(std::uint64_t offset) const { return state_->blocks.size_of(offset); }
bool Arena::sealed() const { return net::is_size_sealed(state_->memory.get()); }
Result<Fd> Arena::reader_memory() const { return net::reopen_read_only(state_->memory.get()); }

}  // namespace manta::store
