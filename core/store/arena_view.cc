#include <sys/mman.h>

#include <string>

#include "core/net/shared_memory.h"
#include "core/store/arena.h"
#include "core/store/page_heap.h"

namespace manta::store {

Result<std::shared_ptr<const ArenaView>> ArenaView::open(Fd memory) {
  auto size_bytes = net::fixed_size_of(memory.get());
  if (!size_bytes) return tl::make_unexpected(size_bytes.error().with_context("store of a peer"));
  auto base = net::map_memory(memory.get(), *size_bytes, net::Mapping::private_copy);
  if (!base) return tl::make_unexpected(base.error().with_context("store of a peer"));
  return std::shared_ptr<const ArenaView>(new ArenaView(*base, *size_bytes));
}

ArenaView::~ArenaView() { net::unmap_memory(base_, capacity_bytes_); }

Result<const std::byte*> ArenaView::at(std::uint64_t offset, std::uint64_t size_bytes) const {
  if (offset > capacity_bytes_ || size_bytes > capacity_bytes_ - offset) {
    return fail(ErrorCode::invalid_argument, "reference to " + std::to_string(size_bytes) + " bytes at " +
                                                 std::to_string(offset) + " of a peer's store, which has " +
                                                 std::to_string(capacity_bytes_));
  }
  return base_ + offset;
}

void ArenaView::forget(std::uint64_t offset, std::uint64_t size_bytes) const {
  if (size_bytes <= kSharedPageBytes || !at(offset, size_bytes)) return;
  const std::uint64_t begin = offset / kPageBytes * kPageBytes;
  const std::uint64_t end = (offset + size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  ::madvise(base_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace manta::store
