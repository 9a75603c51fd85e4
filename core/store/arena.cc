#include "core/store/arena.h"

#include <sys/mman.h>

#include <array>
#include <cassert>
#include <cstdio>
#include <string>

#include "core/net/shared_memory.h"
#include "core/store/block_allocator.h"

namespace manta::store {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 46;  // an address space has 47 bits

std::uint64_t address_bytes(std::uint64_t capacity_bytes) {
  const std::uint64_t bytes = capacity_bytes + capacity_bytes / 4 + (64 << 20);
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
  State(Fd fd, std::byte* mapped, std::uint64_t size, std::uint64_t capacity, std::atomic<std::uint64_t>& node_used,
        std::atomic<std::uint64_t>& own_used, std::uint64_t warm_bytes)
      : memory(std::move(fd)),
        base(mapped),
        size_bytes(size),
        capacity_bytes(capacity),
        node_used_bytes(node_used),
        own_used_bytes(own_used),
        blocks(size, warm_bytes, [mapped](std::uint64_t first_page, std::uint64_t pages) {
          return ::madvise(mapped + first_page * kPageBytes, pages * kPageBytes, MADV_REMOVE) == 0;
        }) {}

  Fd memory;
  std::byte* base;
  std::uint64_t size_bytes;
  std::uint64_t capacity_bytes;
  std::atomic<std::uint64_t>& node_used_bytes;
  std::atomic<std::uint64_t>& own_used_bytes;  // written by us only
  std::uint64_t used_bytes = 0;
  BlockAllocator blocks;

  bool book(std::uint64_t bytes);
  void unbook(std::uint64_t bytes);
};

// A process killed between the two counters leaves the node's too high, never too low.
bool Arena::State::book(std::uint64_t bytes) {
  std::uint64_t node_used = node_used_bytes.load(std::memory_order_relaxed);
  do {
    if (node_used > capacity_bytes || bytes > capacity_bytes - node_used) return false;
  } while (!node_used_bytes.compare_exchange_weak(node_used, node_used + bytes, std::memory_order_relaxed));
  used_bytes += bytes;
  own_used_bytes.store(used_bytes, std::memory_order_release);
  return true;
}

void Arena::State::unbook(std::uint64_t bytes) {
  used_bytes -= bytes;
  own_used_bytes.store(used_bytes, std::memory_order_release);
  node_used_bytes.fetch_sub(bytes, std::memory_order_release);
}

Result<std::unique_ptr<Arena>> Arena::open(Fd memory, std::uint64_t capacity_bytes,
                                           std::atomic<std::uint64_t>& node_used_bytes,
                                           std::atomic<std::uint64_t>& own_used_bytes, std::uint64_t warm_bytes) {
  auto size_bytes = net::fixed_size_of(memory.get());
  if (!size_bytes) return tl::make_unexpected(size_bytes.error().with_context("store"));
  *size_bytes = *size_bytes / kPageBytes * kPageBytes;
  auto base = net::map_memory(memory.get(), *size_bytes, net::Mapping::shared);
  if (!base) return tl::make_unexpected(base.error().with_context("store"));
  return std::unique_ptr<Arena>(new Arena(std::make_unique<State>(
      std::move(memory), *base, *size_bytes, capacity_bytes, node_used_bytes, own_used_bytes, warm_bytes)));
}

Arena::Arena(std::unique_ptr<State> state) : state_(std::move(state)) {}

Arena::~Arena() { net::unmap_memory(state_->base, state_->size_bytes); }

Result<Block> Arena::allocate(std::uint64_t size_bytes) {
  const std::uint64_t rounded =
      size_bytes <= state_->capacity_bytes ? BlockAllocator::rounded(size_bytes) : size_bytes;
  if (size_bytes > kMaxBytes || !state_->book(rounded)) [[unlikely]] {
    return fail(ErrorCode::exhausted,
                "object of " + for_people(size_bytes) + " does not fit the store: capacity " +
                    for_people(state_->capacity_bytes) + ", " +
                    for_people(state_->node_used_bytes.load(std::memory_order_relaxed)) +
                    " in use; drop references to objects, or raise InitOptions::store_capacity_bytes");
  }
  const auto offset = state_->blocks.allocate(size_bytes);
  if (!offset) [[unlikely]] {
    state_->unbook(rounded);
    return fail(ErrorCode::exhausted,
                "object of " + for_people(size_bytes) +
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
