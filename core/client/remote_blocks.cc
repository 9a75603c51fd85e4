#include "core/client/remote_blocks.h"

#include "core/net/shared_memory.h"

namespace manta::client {

BlockCopy::~BlockCopy() {
  if (data != nullptr) net::unmap_memory(data, size_bytes);
}

Result<std::shared_ptr<const BlockCopy>> RemoteBlocks::get(const owner::StoredLocation& location) {
  MutexLock lock(mutex_);
  const auto [it, fresh] = blocks_.try_emplace(location);
  Block& block = it->second;
  ++block.readers;
  block.forgotten = false;
  if (fresh && !closed_) {
    block.id = next_++;
    by_id_[block.id] = location;
    const std::uint64_t id = block.id;
    lock.unlock();
    request_(id, location);
    lock.lock();
  }
  while (!block.copy && !closed_) arrived_.wait(mutex_);
  auto copy = block.copy ? *block.copy
                         : Result<std::shared_ptr<const BlockCopy>>(fail(
                               ErrorCode::object_lost, "the object is on another node, and the runtime has ended"));
  // What failed is asked for again by the next reader.
  if (--block.readers == 0 && (block.forgotten || !copy)) blocks_.erase(it);
  return copy;
}

void RemoteBlocks::ask(const owner::StoredLocation& location) {
  std::uint64_t id = 0;
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    const auto [it, fresh] = blocks_.try_emplace(location);
    if (!fresh) return;
    it->second.ahead = true;
    id = it->second.id = next_++;
    by_id_[id] = location;
  }
  request_(id, location);
}

void RemoteBlocks::arrived(std::uint64_t id, const std::string& why, Fd memory) {
  const MutexLock lock(mutex_);
  const auto asked = by_id_.find(id);
  if (asked == by_id_.end()) return;
  const auto it = blocks_.find(asked->second);
  const owner::StoredLocation location = asked->second;
  by_id_.erase(asked);
  if (it == blocks_.end() || it->second.id != id) return;
  if (!memory) {
    it->second.copy = fail(ErrorCode::object_lost, "the object's value is lost: " + why);
  } else {
    auto copy = std::make_shared<BlockCopy>();
    auto base = net::map_memory(memory.get(), location.size_bytes, net::Mapping::private_copy);
    if (base) {
      copy->data = *base;
      copy->size_bytes = location.size_bytes;
      it->second.copy = std::shared_ptr<const BlockCopy>(std::move(copy));
    } else {
      it->second.copy = tl::unexpected<Error>(base.error().with_context("copy of an object of another node"));
    }
  }
  const bool for_later = it->second.ahead && it->second.copy->has_value();
  if (it->second.readers == 0 && !for_later) blocks_.erase(it);
  arrived_.notify_all();
}

void RemoteBlocks::forget(const owner::StoredLocation& location) {
  std::optional<Result<std::shared_ptr<const BlockCopy>>> unmapped_later;
  const MutexLock lock(mutex_);
  const auto it = blocks_.find(location);
  if (it == blocks_.end()) return;
  if (it->second.readers > 0) {
    it->second.forgotten = true;
    return;
  }
  unmapped_later = std::move(it->second.copy);
  blocks_.erase(it);
}

void RemoteBlocks::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace manta::client
