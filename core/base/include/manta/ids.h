// Identities of tasks, objects, processes and leases.
//
// Each kind is a type of its own, so that one is never passed where another is meant. Ids are values: copy them freely.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace manta {

namespace detail {
/// Finaliser of splitmix64 (Steele et al., 2014): a bijection on 64 bits that spreads every input bit.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// One 64-bit id; Tag makes each instantiation a distinct type. 0 is "none".
template <class Tag>
struct Id64 {
  std::uint64_t value = 0;
  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(const Id64&, const Id64&) = default;
};
}  // namespace detail

/// A process that takes part: a driver or a worker. Never reused within a cluster's life: node in the upper 24 bits.
using ClientId = detail::Id64<struct ClientTag>;
/// A machine with its daemon.
using NodeId = detail::Id64<struct NodeTag>;
/// The right to run tasks of one resource shape on one worker, granted by a node to a submitter.
using LeaseId = detail::Id64<struct LeaseTag>;

/// Clients and leases are numbered within their node.
inline constexpr unsigned kNodeShift = 40;
constexpr ClientId client_of(NodeId node, std::uint64_t number) { return {node.value << kNodeShift | number}; }
constexpr NodeId node_of(ClientId client) { return {client.value >> kNodeShift}; }
constexpr NodeId node_of(LeaseId lease) { return {lease.value >> kNodeShift}; }

/// A task, and the object that is its result: 128 bits derived from (parent task, index of the child in the parent), so
/// that a repeated attempt of the parent names its children alike. Objects made by `put` are derived in the same way
/// from another index space.
struct ObjectId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  constexpr explicit operator bool() const { return (high | low) != 0; }
  friend constexpr auto operator<=>(const ObjectId&, const ObjectId&) = default;

  /// The n-th task that this task submits.
  constexpr ObjectId child(std::uint64_t n) const { return derive(n << 1); }
  /// The n-th object that this task puts.
  constexpr ObjectId put(std::uint64_t n) const { return derive((n << 1) | 1); }
  /// The n-th value that this task yields.
  constexpr ObjectId item(std::uint64_t n) const { return put(n | std::uint64_t{1} << 61); }
  /// 32 hexadecimal digits.
  std::string to_string() const;

 private:
  constexpr ObjectId derive(std::uint64_t n) const {
    const std::uint64_t a = detail::mix64(high + 0x9e3779b97f4a7c15ULL * (n + 1));
    const std::uint64_t b = detail::mix64(low ^ a);
    return {a, b};
  }
};
using TaskId = ObjectId;

}  // namespace manta

template <class Tag>
struct std::hash<manta::detail::Id64<Tag>> {
  std::size_t operator()(const manta::detail::Id64<Tag>& id) const noexcept { return manta::detail::mix64(id.value); }
};
template <>
struct std::hash<manta::ObjectId> {
  std::size_t operator()(const manta::ObjectId& id) const noexcept { return id.low; }
};
