// What a member calls, in the form that the members of a group compare.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include <manta/collective.h>

namespace manta::collective {

enum class Operation : std::uint8_t {
  join,
  all_reduce,
  reduce,
  broadcast,
  all_gather,
  gather,
  scatter,
  reduce_scatter,
  all_to_all,
  barrier,
  split,
  send,
  receive,
};

// Transports may pass its bytes on.
struct Announcement {
  Operation operation = Operation::barrier;
  DataType type = DataType::u8;
  Reduction reduction = Reduction::sum;
  std::uint8_t unused = 0;
  std::int32_t root = 0;
  std::uint64_t bytes = 0;
};
static_assert(std::has_unique_object_representations_v<Announcement>);
inline bool operator==(const Announcement& a, const Announcement& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// "all_reduce of 1024 bytes (f32, sum)"
std::string describe(const Announcement& announcement);

}  // namespace manta::collective
