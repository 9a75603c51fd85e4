#include "core/testing/sim_value.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace manta::sim {

namespace {

constexpr std::size_t kHead = sizeof(std::uint64_t) + sizeof(ObjectId);
static_assert(std::is_trivially_copyable_v<detail::WireRef>);

}  // namespace

owner::StoredLocation SimStore::write(ClientId arena, std::vector<std::byte> bytes) {
  const owner::StoredLocation location{arena, ++next_, bytes.size()};
  blocks_[location.offset] = {std::move(bytes), arena};
  return location;
}

const std::vector<std::byte>* SimStore::read(const owner::StoredLocation& location) const {
  const auto it = blocks_.find(location.offset);
  return it == blocks_.end() ? nullptr : &it->second.bytes;
}

bool SimStore::free(const owner::StoredLocation& location) { return blocks_.erase(location.offset) == 1; }

void SimStore::hand_over(const owner::StoredLocation& location, ClientId owner) {
  const auto it = blocks_.find(location.offset);
  if (it != blocks_.end()) it->second.owner = owner;
}

void SimStore::forget_owner(ClientId owner) {
  for (auto& [offset, block] : blocks_) {
    if (block.owner == owner) block.owner = {};
  }
}

std::vector<ClientId> SimStore::left() const {
  std::vector<ClientId> owners;
  for (const auto& [offset, block] : blocks_) {
    if (block.owner) owners.push_back(block.owner);
  }
  return owners;
}

owner::Value encode(const Payload& payload, SimStore& store, ClientId arena) {
  const std::size_t refs_bytes = payload.refs.size() * sizeof(detail::WireRef);
  std::vector<std::byte> bytes(kHead + refs_bytes);
  std::memcpy(bytes.data(), &payload.run, sizeof payload.run);
  std::memcpy(bytes.data() + sizeof payload.run, &payload.object, sizeof payload.object);
  if (refs_bytes != 0) std::memcpy(bytes.data() + kHead, payload.refs.data(), refs_bytes);
  if (!arena) return owner::Value::copy_of(bytes, refs_bytes != 0);
  return owner::Value::at(store.write(arena, std::move(bytes)), refs_bytes != 0);
}

bool decode(const owner::Value& value, const SimStore& store, Payload& payload) {
  std::span<const std::byte> bytes = value.bytes();
  if (value.kind() == owner::Value::Kind::stored) {
    const std::vector<std::byte>* block = store.read(value.stored());
    if (block == nullptr) return false;
    bytes = *block;
  }
  if (bytes.size() < kHead || (bytes.size() - kHead) % sizeof(detail::WireRef) != 0) return false;
  std::memcpy(&payload.run, bytes.data(), sizeof payload.run);
  std::memcpy(&payload.object, bytes.data() + sizeof payload.run, sizeof payload.object);
  payload.refs.resize((bytes.size() - kHead) / sizeof(detail::WireRef));
  if (!payload.refs.empty()) {
    std::memcpy(payload.refs.data(), bytes.data() + kHead, bytes.size() - kHead);
  }
  return true;
}

}  // namespace manta::sim
