#include "core/node/link_messages.h"

#include <cstring>

#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

#include "core/net/packed.h"
#include "core/net/wire_resources.h"

namespace manta::node::link {

namespace {

constexpr std::size_t kEnds = 2 * sizeof(std::uint64_t);

template <class Variant>
std::vector<std::byte> encode_after(std::size_t room, const Variant& message) {
  serial::Writer writer;
  writer(kVersion, static_cast<std::uint8_t>(message.index()));
  std::visit([&](const auto& m) { writer(m); }, message);
  return net::bytes_of(writer, room);
}

// Refuses values that no node can act on. Throws Error(invalid_argument), which is sent back to the sender.
void require_possible(const net::WireResources& resources, std::int64_t most_gpus, bool left = false) {
  if (auto possible = net::check(resources, most_gpus, left); !possible) throw_error(possible.error());
}
void require_possible(const net::NodeOfCluster& node) {
  constexpr std::size_t kLongestHost = 1024;
  if (!node.node) throw Error(ErrorCode::invalid_argument, "a node without a number");
  if (node.host.size() > kLongestHost) throw Error(ErrorCode::invalid_argument, "a host name of more than 1024 bytes");
  require_possible(node.total, net::kMostGpusOfNode);
}
void require_possible(const Join& m) { require_possible(net::NodeOfCluster{NodeId{1}, m.host, m.total}); }
void require_possible(const NodeUp& m) { require_possible(m.node); }
void require_possible(const View& m) { require_possible(m.available, net::kMostGpusOfNode, true); }
void require_possible(const Joined& m) {
  for (const net::NodeOfCluster& node : m.nodes) require_possible(node);
  for (const View& view : m.views) require_possible(view);
}
void require_possible(const ReserveBundle& m) { require_possible(m.request, net::kMostGpusOfRequest); }
template <class Message>
void require_possible(const Message&) {}

template <class Variant, std::size_t I = 0>
Variant read_alternative(std::size_t index, serial::Reader& reader) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index != I) return read_alternative<Variant, I + 1>(index, reader);
    std::variant_alternative_t<I, Variant> message;
    reader(message);
    require_possible(message);
    return Variant(std::in_place_index<I>, std::move(message));
  } else {
    throw Error(ErrorCode::invalid_argument, "unknown message number " + std::to_string(index));
  }
}

template <class Variant>
Result<Variant> decode(std::span<const std::byte> bytes) {
  try {
    if (bytes.empty()) throw Error(ErrorCode::invalid_argument, "empty message");
    serial::Reader reader(bytes.subspan(1), bytes[0] != std::byte{0}, nullptr);
    std::uint8_t version = 0, index = 0;
    reader(version, index);
    if (version != kVersion) {
      throw Error(ErrorCode::invalid_argument,
                  "version " + std::to_string(version) + ", this program speaks " + std::to_string(kVersion));
    }
    return read_alternative<Variant>(index, reader);
  } catch (const Error& error) {
    return tl::unexpected<Error>(error.with_context("message of another node"));
  }
}

}  // namespace

std::vector<std::byte> encode(const Membership& message) { return encode_after(0, message); }
Result<Membership> decode_membership(std::span<const std::byte> bytes) { return decode<Membership>(bytes); }

std::vector<std::byte> encode(NodeId from, NodeId to, const Message& message) {
  std::vector<std::byte> bytes = encode_after(kEnds, message);
  std::memcpy(bytes.data(), &from.value, sizeof from.value);
  std::memcpy(bytes.data() + sizeof from.value, &to.value, sizeof to.value);
  return bytes;
}

Result<Relayed> decode_relayed(std::span<const std::byte> bytes) {
  if (bytes.size() < kEnds) return fail(ErrorCode::invalid_argument, "message of another node: too short");
  Relayed relayed;
  std::memcpy(&relayed.from.value, bytes.data(), sizeof relayed.from.value);
  std::memcpy(&relayed.to.value, bytes.data() + sizeof relayed.from.value, sizeof relayed.to.value);
  relayed.message = bytes.subspan(kEnds);
  return relayed;
}

Result<Message> decode_message(std::span<const std::byte> bytes) { return decode<Message>(bytes); }

}  // namespace manta::node::link
