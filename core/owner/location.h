// Where the bytes of a stored value lie.
//
// One alternative for each kind of memory; a device's is one more. The owner's parts ask only whether a value lies in
// an arena, in which one, and how large it is. What each kind needs (freeing, reading, bringing back), the client room
// does.
#pragma once

#include <compare>
#include <cstdint>
#include <variant>

#include <manta/ids.h>

namespace manta::owner {

// A block in a client's arena, which every process of its node can map.
struct StoredLocation {
  ClientId arena;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  friend auto operator<=>(const StoredLocation&, const StoredLocation&) = default;
};

// A part of the owning process' spill file. Its owner brings it back before any process reads it.
struct SpilledExtent {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  friend auto operator<=>(const SpilledExtent&, const SpilledExtent&) = default;
};

using Location = std::variant<StoredLocation, SpilledExtent>;

inline std::uint64_t size_of(const Location& location) {
  return std::visit([](const auto& at) { return at.size_bytes; }, location);
}

}  // namespace manta::owner
