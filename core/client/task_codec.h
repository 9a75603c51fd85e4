// Tasks and results as ring records.
//
// The usual small task is its arguments' bytes in the record, the usual small result the value's bytes. What is larger
// goes into a block of the writer's arena; from kStoredFromBytes on a result stays there as an object of the store.
// Lists of parts: tasks with references as arguments or a label, and results with references to announce or an error.
//
// Threading: none of its own. Errors: decoding throws manta::Error (invalid_argument) on bytes that make no sense.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <manta/detail/runtime_api.h>

#include "core/net/error_codec.h"
#include "core/net/task_ring.h"
#include "core/owner/owner.h"

namespace manta::client {

// Values of this size and more are blocks of the store that every process of the node reads in place; smaller ones are
// copied to the owner's heap.
inline constexpr std::size_t kStoredFromBytes = 64 * 1024;

// One argument of a task with references, as it stands in the record or block. Fixed layout, 8-byte head: u32 size of
// the bytes, u8 stored, u8 framed, u8 label, u8 0; then the bytes, or the place of a stored value and its object.
struct RequestPart {
  bool stored = false;
  bool framed = false;
  bool label = false;                // no argument: the bytes are the label that the task was given
  std::span<const std::byte> bytes;  // not stored
  owner::StoredLocation location;    // stored
  detail::WireRef object;            // stored: the process that reads it in place holds the object
};
RequestPart part_of(const owner::Value& value);
// What the task or actor was named by its options, as the last part; empty bytes: nothing.
inline RequestPart label_part(const owner::Entry& entry) {
  RequestPart part;
  part.label = true;
  if (entry.kind == owner::Kind::actor) {
    part.bytes = std::as_bytes(std::span(entry.actor->name));
  } else if (entry.extra) {
    part.bytes = std::as_bytes(std::span(entry.extra->name));
  }
  return part;
}
// The arguments that it was given as references.
inline std::span<owner::Entry* const> references_of(const owner::Entry& entry) {
  return entry.extra ? std::span<owner::Entry* const>(entry.extra->references) : std::span<owner::Entry* const>();
}
std::size_t encoded_size(const RequestPart& part);
std::byte* encode(const RequestPart& part, std::byte* to);  // returns the end
// Takes the next part off bytes; its bytes point into them.
RequestPart take_part(std::span<const std::byte>& bytes);

// A result that is more than a value: an error, or a value with references.
struct ReplyValue {
  bool stored = false;
  bool framed = false;
  std::vector<std::byte> bytes;
  owner::StoredLocation location;
};
struct ReplyParts {
  ReplyValue value;
  bool failed = false;
  bool user_exception = false;
  net::WireError error;
  std::vector<detail::WireRef> contained;
  std::vector<detail::WireRef> kept;
  bool streamed = false;    // a generator's:
  std::uint64_t items = 0;  // how many it has made
};
ReplyValue reply_value(const owner::Value& value);
owner::Value value_of(const ReplyValue& value);
std::vector<std::byte> encode(const ReplyParts& parts);
ReplyParts decode_reply(std::span<const std::byte> bytes);
owner::Outcome outcome_of(ReplyParts reply);

}  // namespace manta::client
