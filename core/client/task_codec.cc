#include "core/client/task_codec.h"

#include <cstring>

#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

namespace manta::client {

namespace {

struct PartHead {
  std::uint32_t size_bytes = 0;
  std::uint8_t stored = 0;
  std::uint8_t framed = 0;
  std::uint8_t label = 0;
  std::uint8_t unused = 0;
};
struct StoredPart {
  owner::StoredLocation location;
  detail::WireRef object;
};

template <class T>
std::byte* put(const T& value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
  return to + sizeof value;
}

template <class T>
T take(std::span<const std::byte>& bytes) {
  if (bytes.size() < sizeof(T)) throw Error(ErrorCode::invalid_argument, "a task's arguments end too early");
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

}  // namespace

RequestPart part_of(const owner::Value& value) {
  RequestPart part;
  part.framed = value.framed();
  part.stored = value.in_arena();
  if (part.stored) {
    part.location = value.stored();
  } else {
    part.bytes = value.bytes();
  }
  return part;
}

std::size_t encoded_size(const RequestPart& part) {
  return sizeof(PartHead) + (part.stored ? sizeof(StoredPart) : part.bytes.size());
}

std::byte* encode(const RequestPart& part, std::byte* to) {
  PartHead head;
  head.size_bytes = static_cast<std::uint32_t>(part.bytes.size());
  head.stored = part.stored;
  head.framed = part.framed;
  head.label = part.label;
  to = put(head, to);
  if (part.stored) return put(StoredPart{part.location, part.object}, to);
  if (!part.bytes.empty()) std::memcpy(to, part.bytes.data(), part.bytes.size());
  return to + part.bytes.size();
}

RequestPart take_part(std::span<const std::byte>& bytes) {
  const auto head = take<PartHead>(bytes);
  RequestPart part;
  part.stored = head.stored != 0;
  part.framed = head.framed != 0;
  part.label = head.label != 0;
  if (part.stored) {
    const auto stored = take<StoredPart>(bytes);
    part.location = stored.location;
    part.object = stored.object;
    return part;
  }
  if (bytes.size() < head.size_bytes) throw Error(ErrorCode::invalid_argument, "a task's arguments end too early");
  part.bytes = bytes.first(head.size_bytes);
  bytes = bytes.subspan(head.size_bytes);
  return part;
}

ReplyValue reply_value(const owner::Value& value) {
  ReplyValue reply;
  reply.framed = value.framed();
  reply.stored = value.in_arena();
  if (reply.stored) {
    reply.location = value.stored();
  } else {
    reply.bytes.assign(value.bytes().begin(), value.bytes().end());
  }
  return reply;
}

owner::Value value_of(const ReplyValue& value) {
  return value.stored ? owner::Value::at(value.location, value.framed)
                      : owner::Value::copy_of(value.bytes, value.framed);
}

std::vector<std::byte> encode(const ReplyParts& parts) {
  serial::Writer writer;
  writer(parts);
  std::vector<std::byte> bytes(1 + writer.encoded_size());
  bytes[0] = static_cast<std::byte>(writer.framed());
  writer.encode_into(bytes.data() + 1);
  return bytes;
}

ReplyParts decode_reply(std::span<const std::byte> bytes) {
  if (bytes.empty()) throw Error(ErrorCode::invalid_argument, "a result without content");
  ReplyParts parts;
  serial::Reader reader(bytes.subspan(1), bytes[0] != std::byte{0}, nullptr);
  reader(parts);
  reader.finish();
  return parts;
}

owner::Outcome outcome_of(ReplyParts reply) {
  owner::Outcome outcome;
  outcome.value = reply.failed ? owner::Value::of(net::from_wire(std::move(reply.error))) : value_of(reply.value);
  outcome.user_exception = reply.user_exception;
  outcome.contained = std::move(reply.contained);
  outcome.kept = std::move(reply.kept);
  if (reply.streamed) outcome.items = reply.items;
  return outcome;
}

}  // namespace manta::client
