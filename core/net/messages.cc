#include "core/net/messages.h"

#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

#include "core/net/error_codec.h"
#include "core/net/packed.h"
#include "core/net/wire_resources.h"
#include "core/owner/stream_items.h"

namespace manta::net {

namespace {

struct WireValue {
  std::uint8_t kind = 0;
  bool framed = false;
  std::vector<std::byte> bytes;
  std::uint64_t arena = 0, offset = 0, size_bytes = 0;
  WireError error;
};

WireValue value_to_wire(const owner::Value& value) {
  WireValue wire;
  wire.kind = static_cast<std::uint8_t>(value.kind());
  wire.framed = value.framed();
  const auto bytes = value.bytes();
  wire.bytes.assign(bytes.begin(), bytes.end());
  if (value.in_arena()) {  // what is spilled is never sent: the owner brings it back first
    wire.arena = value.stored().arena.value;
    wire.offset = value.stored().offset;
    wire.size_bytes = value.stored().size_bytes;
  }
  if (value.failed()) wire.error = to_wire(value.error());
  return wire;
}

owner::Value value_from_wire(WireValue wire) {
  using Kind = owner::Value::Kind;
  switch (static_cast<Kind>(wire.kind)) {
    case Kind::inline_bytes:
    case Kind::heap:
      return owner::Value::copy_of(wire.bytes, wire.framed);
    case Kind::stored:
      return owner::Value::at({ClientId{wire.arena}, wire.offset, wire.size_bytes}, wire.framed);
    case Kind::error:
      return owner::Value::of(from_wire(std::move(wire.error)));
    case Kind::none:
      return {};
  }
  throw Error(ErrorCode::invalid_argument, "a value of unknown kind " + std::to_string(wire.kind));
}

struct WireFetched {
  ObjectId object;
  WireValue value;
  std::vector<manta::detail::WireRef> contained;
};

using WireReplicas = std::vector<WireFetched>;

struct WireActorGone {
  ObjectId actor;
  WireValue error;
};

struct WireStreamItems {
  struct Object {
    WireValue value;
    std::vector<manta::detail::WireRef> contained;
  };
  ObjectId stream;
  std::uint16_t attempt = 0;
  std::uint64_t first = 0;
  std::vector<std::byte> small;
  std::vector<Object> objects;
};

// Each message as something that the archive takes: itself, or its wire form.
template <class T>
const T& wire_form(const T& message) {
  return message;
}
WireFetched wire_form(const owner::Fetched& message) {
  return {message.object, value_to_wire(message.value), message.contained};
}
WireActorGone wire_form(const owner::ActorGone& message) { return {message.actor, value_to_wire(message.error)}; }
WireReplicas wire_form(const Replicate& message) {
  WireReplicas wire;
  for (const owner::Replica& b : message.replicas) wire.push_back({b.object, value_to_wire(b.value), b.contained});
  return wire;
}
WireStreamItems wire_form(const owner::StreamItems& message) {
  WireStreamItems wire{message.stream, message.attempt, message.first, message.small, {}};
  for (const auto& object : message.objects) wire.objects.push_back({value_to_wire(object.value), object.contained});
  return wire;
}
template <class T>
T read_message(serial::Reader& reader) {
  T message;
  reader(message);
  return message;
}
template <>
owner::Fetched read_message<owner::Fetched>(serial::Reader& reader) {
  WireFetched wire;
  reader(wire);
  return {wire.object, value_from_wire(std::move(wire.value)), std::move(wire.contained)};
}

template <>
owner::ActorGone read_message<owner::ActorGone>(serial::Reader& reader) {
  WireActorGone wire;
  reader(wire);
  return {wire.actor, value_from_wire(std::move(wire.error))};
}

template <>
owner::StreamItems read_message<owner::StreamItems>(serial::Reader& reader) {
  WireStreamItems wire;
  reader(wire);
  bool framed = false;
  for (std::span<const std::byte> run(wire.small); !run.empty();) (void)owner::take_item(run, framed);  // or throws
  owner::StreamItems message{wire.stream, wire.attempt, wire.first, std::move(wire.small), {}};
  for (auto& object : wire.objects) {
    message.objects.push_back({value_from_wire(std::move(object.value)), std::move(object.contained)});
  }
  return message;
}

template <>
Replicate read_message<Replicate>(serial::Reader& reader) {
  WireReplicas wire;
  reader(wire);
  Replicate message;
  for (WireFetched& w : wire) {
    message.replicas.push_back({w.object, value_from_wire(std::move(w.value)), std::move(w.contained)});
  }
  return message;
}

void require_possible(const WireResources& request) {
  if (auto possible = check(request, kMostGpusOfRequest); !possible) throw_error(possible.error());
}
template <>
SetDemand read_message<SetDemand>(serial::Reader& reader) {
  SetDemand message;
  reader(message);
  require_possible(message.request);
  if (message.where.policy > Placement::spread) throw Error(ErrorCode::invalid_argument, "an unknown placement policy");
  return message;
}
template <>
CreateGroup read_message<CreateGroup>(serial::Reader& reader) {
  CreateGroup message;
  reader(message);
  for (const WireResources& bundle : message.bundles) require_possible(bundle);
  return message;
}

template <class Variant>
std::vector<std::byte> encode_variant(const Variant& message) {
  serial::Writer writer;
  writer(kControlVersion, static_cast<std::uint8_t>(message.index()));
  std::visit([&](const auto& m) { writer(wire_form(m)); }, message);
  return bytes_of(writer);
}

template <class Variant, std::size_t I = 0>
Variant read_alternative(std::size_t index, serial::Reader& reader) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index == I)
      return Variant(std::in_place_index<I>, read_message<std::variant_alternative_t<I, Variant>>(reader));
    return read_alternative<Variant, I + 1>(index, reader);
  } else {
    throw Error(ErrorCode::invalid_argument, "unknown message number " + std::to_string(index));
  }
}

template <class Variant>
Result<Variant> decode_variant(std::span<const std::byte> bytes, const char* what) {
  try {
    if (bytes.empty()) throw Error(ErrorCode::invalid_argument, "empty packet");
    // The archive aligns out-of-band buffers relative to its start, and reads them wherever that lies.
    serial::Reader reader(bytes.subspan(1), bytes[0] != std::byte{0}, nullptr);
    std::uint8_t version = 0, index = 0;
    reader(version, index);
    if (version != kControlVersion) {
      throw Error(ErrorCode::invalid_argument, "protocol version " + std::to_string(version) +
                                                   ", this program speaks " + std::to_string(kControlVersion));
    }
    return read_alternative<Variant>(index, reader);
  } catch (const Error& error) {
    return tl::unexpected<Error>(error.with_context(what));
  }
}

}  // namespace

std::vector<std::byte> encode(const ClientMessage& message) { return encode_variant(message); }
std::vector<std::byte> encode(const NodeMessage& message) { return encode_variant(message); }
std::vector<std::byte> encode(const PeerPacket& packet) { return encode_variant(packet); }

Result<ClientMessage> decode_client_message(std::span<const std::byte> bytes) {
  return decode_variant<ClientMessage>(bytes, "message of a client");
}
Result<NodeMessage> decode_node_message(std::span<const std::byte> bytes) {
  return decode_variant<NodeMessage>(bytes, "message of the node");
}
Result<PeerPacket> decode_peer_packet(std::span<const std::byte> bytes) {
  return decode_variant<PeerPacket>(bytes, "message of another process");
}

}  // namespace manta::net
