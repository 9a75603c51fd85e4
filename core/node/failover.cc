#include "core/node/failover.h"

#include <type_traits>
#include <utility>

#include <boost/asio/post.hpp>

namespace manta::node {

Failover::Failover(boost::asio::io_context& io, NodeId self, FailoverContext& context)
    : io_(io),
      self_(self),
      context_(context),
      standby_owners_(static_cast<owner::StandbyEffects&>(*this)),
      round_call_(round_call_edge()) {}

owner::RoundCallEdge Failover::round_call_edge() {
  return {[this](ClientId client, ClientId standby, std::uint32_t round) {
            context_.ask_process(client, net::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            context_.to_node(node, link::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            context_.to_node(node, link::Settled{standby, round});
          },
          [this](ClientId standby, std::uint32_t round) { standby_owners_.settled(standby, round); }};
}

void Failover::receive(ClientId from, ClientId to, std::span<const std::byte> message) {
  auto packet = net::decode_peer_packet(message);
  if (!packet) return;
  std::visit(
      [&](auto& m) {
        if constexpr (std::is_constructible_v<owner::PeerMessage, decltype(std::move(m))>) {
          standby_owners_.receive(from, to, owner::PeerMessage(std::move(m)));
        }
      },
      *packet);
}

void Failover::asked(NodeId from, const link::Settle& question) {
  if (node_of(question.standby) != from) return;
  round_call_.asked(from, question.standby, question.round, context_.live_processes());
}

void Failover::process_gone(ClientId client, const std::string& status) {
  if (standby_owners_.has_standby(client)) context_.user_added(owner::standby_of(client), client);
  context_.user_gone(client);
  round_call_.client_gone(client);
  standby_owners_.open(client, status);
}

void Failover::death_announced(ClientId client, const std::string& status) {
  standby_owners_.client_died(client, status);
  // Later: the head is in the middle of telling other nodes.
  if (node_of(client) == self_) boost::asio::post(io_, [this, client] { standby_owners_.announced(client); });
}

void Failover::node_gone(NodeId node, const std::string& status) {
  standby_owners_.node_died(node, status);
  round_call_.node_gone(node);
}

void Failover::send_as(ClientId from, ClientId to, owner::PeerMessage message) {
  const auto packet = std::visit([](auto& m) { return net::PeerPacket(std::move(m)); }, message);
  context_.peer_message(from, to, net::encode(packet));
}

void Failover::free_block(const owner::StoredLocation& location) {
  if (node_of(location.arena) == self_ && !context_.lives_here(location.arena)) return;
  const net::PeerPacket packet = net::FreeBlock{location.offset};
  context_.peer_message(client_of(self_, 0), location.arena, net::encode(packet));
}

void Failover::ask_all(ClientId standby, std::uint32_t round) {
  round_call_.start(standby, round, context_.live_processes(), context_.other_nodes());
}

}  // namespace manta::node
