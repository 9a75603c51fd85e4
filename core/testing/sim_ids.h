// Addresses in a simulated cluster: of the head, nodes and clients, and how client ids are made up.
#pragma once

#include <cstdint>

#include <manta/ids.h>

namespace manta::sim {

// A client's address is its ClientId, a node's its NodeId with the top bit set, the head's is 0.
using Address = detail::Id64<struct AddressTag>;

inline constexpr Address kHead{0};
inline constexpr std::uint64_t kNodeBit = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kFirstDriver = std::uint64_t{1} << 32;

constexpr Address address_of(ClientId client) { return {client.value}; }
constexpr Address address_of(NodeId node) { return {kNodeBit | node.value}; }
constexpr bool is_node(Address a) { return (a.value & kNodeBit) != 0; }
constexpr bool is_client(Address a) { return a != kHead && !is_node(a); }
// The machine that it runs on; the head's is 0.
constexpr NodeId node_of(Address a) { return {is_node(a) ? a.value & ~kNodeBit : a.value >> kNodeShift}; }
using manta::node_of;
constexpr ClientId client_of(Address a) { return {a.value}; }

}  // namespace manta::sim
