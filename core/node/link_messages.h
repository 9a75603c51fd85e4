// What the daemons of a cluster say to each other, over links. Format as of the control messages: u8 framed, u8
// version, u8 index in the variant, the fields in order.
//
// Two kinds of frames: Membership, between the head's node and another; and relayed ones, between any two nodes, with
// both ends in front, which the head's node passes on.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/net/messages.h"

namespace manta::node::link {

inline constexpr std::uint8_t kVersion = 4;
inline constexpr std::uint8_t kMembershipFrame = 16;
inline constexpr std::uint8_t kRelayedFrame = 17;

struct Held {  // leases that a client of another node has, those included whose worker is being started
  ClientId client;
  std::uint32_t shape = 0;
  std::uint32_t leases = 0;
  friend bool operator==(const Held&, const Held&) = default;
};
struct View {  // what a node has left, and what others hold
  NodeId node;
  net::WireResources available;
  std::vector<Held> held;
};

// --- Membership
struct Join {  // the first, to the head
  std::string host;
  net::WireResources total;
  std::uint64_t program = 0;  // of what the node runs: functions are known by it
};
struct Joined {  // the answer
  NodeId node;
  ClientId driver;
  std::vector<net::NodeOfCluster> nodes;  // others
  std::vector<View> views;
};
struct NodeUp {
  net::NodeOfCluster node;
};
struct NodeDown {
  NodeId node;
  std::string status;
};
struct ClientUp {  // to the head
  ClientId client;
};
struct ClientDown {  // to the head, and from it to all
  ClientId client;
  std::string status;
};
struct AskClock {             // to the head
  std::int64_t asked_ns = 0;  // by the asking node's CLOCK_MONOTONIC
};
struct ClockIs {  // the answer
  std::int64_t asked_ns = 0;
  std::int64_t clock_ns = 0;  // by the head's
};
using Membership = std::variant<Join, Joined, NodeUp, NodeDown, ClientUp, ClientDown, View, AskClock, ClockIs>;

// --- between any two
struct FromClient {  // a client's message to the daemon of another node: demands, leases, names
  ClientId client;
  std::vector<std::byte> message;
};
struct ForClient {  // a daemon's message to a client of another node
  ClientId client;
  std::vector<std::byte> message;
};
struct Peer {  // between clients; message: a PeerPacket
  ClientId from;
  ClientId to;
  std::vector<std::byte> message;
};
struct ArenaUnused {  // no client of the sender's node knows of values in this dead client's arena
  ClientId client;
};
struct Pull {  // send me the block; id: the receiver's own
  std::uint64_t id = 0;
  owner::StoredLocation location;
};
struct Chunk {  // its bytes, in order
  std::uint64_t id = 0;
  std::vector<std::byte> bytes;
};
struct PullMore {  // a chunk has been taken: send another
  std::uint64_t id = 0;
};
struct PullFailed {
  std::uint64_t id = 0;
  std::string why;
};
struct Settle {  // ask your clients whether they have acted on what was sent before
  ClientId standby;
  std::uint32_t round = 0;
};
struct Settled {  // they have
  ClientId standby;
  std::uint32_t round = 0;
};
// --- placement groups: the head's node to others, and back
struct ReserveBundle {  // answered by BundleReserved, some time
  Bundle bundle;
  std::uint32_t attempt = 0;
  net::WireResources request;
};
struct ReleaseBundle {
  Bundle bundle;
  std::string why;
};
struct BundleReserved {
  Bundle bundle;
  std::uint32_t attempt = 0;
};
struct GroupAt {  // to all: where its bundles are; none: not placed
  std::uint64_t group = 0;
  std::vector<NodeId> nodes;
};
struct GroupGone {
  std::uint64_t group = 0;
};
using Message = std::variant<FromClient, ForClient, Peer, ArenaUnused, Pull, Chunk, PullMore, PullFailed, Settle,
                             Settled, ReserveBundle, ReleaseBundle, BundleReserved, GroupAt, GroupGone>;

struct Relayed {
  NodeId from, to;
  std::span<const std::byte> message;
};

std::vector<std::byte> encode(const Membership& message);
[[nodiscard]] Result<Membership> decode_membership(std::span<const std::byte> bytes);
std::vector<std::byte> encode(NodeId from, NodeId to, const Message& message);   // a relayed frame's payload
[[nodiscard]] Result<Relayed> decode_relayed(std::span<const std::byte> bytes);  // its ends alone
[[nodiscard]] Result<Message> decode_message(std::span<const std::byte> bytes);

}  // namespace manta::node::link
