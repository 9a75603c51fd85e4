// Small items of a stream as one run of bytes: each u32 (size * 2, + 1 where the value is framed) and the value.
//
// Threading: none. Errors: a reader of bytes that make no sense throws Error(invalid_argument).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <manta/error.h>

namespace manta::owner {

// Room for one more item, to be filled; valid until the next.
inline std::span<std::byte> append_item(std::vector<std::byte>& run, std::size_t size_bytes, bool framed) {
  const auto head = static_cast<std::uint32_t>(size_bytes << 1 | (framed ? 1 : 0));
  const std::size_t at = run.size();
  run.resize(at + sizeof head + size_bytes);
  std::memcpy(run.data() + at, &head, sizeof head);
  return {run.data() + at + sizeof head, size_bytes};
}

// Takes the next item off the run.
inline std::span<const std::byte> take_item(std::span<const std::byte>& run, bool& framed) {
  std::uint32_t head = 0;
  if (run.size() < sizeof head) throw Error(ErrorCode::invalid_argument, "items of a stream end too early");
  std::memcpy(&head, run.data(), sizeof head);
  run = run.subspan(sizeof head);
  framed = (head & 1) != 0;
  if (run.size() < head >> 1) throw Error(ErrorCode::invalid_argument, "items of a stream end too early");
  const std::span<const std::byte> item = run.first(head >> 1);
  run = run.subspan(head >> 1);
  return item;
}

}  // namespace manta::owner
