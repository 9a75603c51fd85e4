#include "core/collective/shared_block.h"

#include <string>
#include <utility>

#include "core/net/shared_memory.h"

namespace manta::collective {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<Presence>::is_always_lock_free);

std::size_t SharedBlock::bytes_for(int size) {
  const auto n = static_cast<std::size_t>(size);
  return n * sizeof(RankPage) + n * n * sizeof(Channel);
}

Fd SharedBlock::create(int size) {
  auto memory = net::create_shared_memory("manta-group", bytes_for(size));
  if (!memory) throw_error(memory.error().with_context("collective group"));
  return std::move(*memory);
}

// All of it is lock-free atomics, integers and bytes, for which the zeros of fresh memory are values.
SharedBlock::SharedBlock(int fd, int size) : size_(size) {
  const auto found = net::fixed_size_of(fd);
  if (!found) throw_error(found.error().with_context("collective group"));
  if (*found != bytes_for(size)) {
    throw Error(ErrorCode::invalid_argument, "collective group: the memory of rank 0 is of " + std::to_string(*found) +
                                                 " bytes, not " + std::to_string(bytes_for(size)) +
                                                 ": all members must be built from the same version of Manta");
  }
  const auto base = net::map_memory(fd, bytes_for(size), net::Mapping::shared);
  if (!base) throw_error(base.error().with_context("collective group"));
  base_ = *base;
  ranks_ = reinterpret_cast<RankPage*>(base_);
  channels_ = reinterpret_cast<Channel*>(base_ + static_cast<std::size_t>(size) * sizeof(RankPage));
}

SharedBlock::~SharedBlock() { net::unmap_memory(base_, bytes_for(size_)); }

}  // namespace manta::collective
