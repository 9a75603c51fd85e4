// Standby owners of dead clients (owner::StandbyOwners), and their part in the messages between clients.
#include <boost/asio/post.hpp>

#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

namespace manta::node {

owner::RoundCallEdge Daemon::round_call_edge() {
  return {[this](ClientId client, ClientId standby, std::uint32_t round) {
            deaths_.flush();
            if (Client* c = find(client)) send(*c, net::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            cluster_->send(node, link::Settle{standby, round});
          },
          [this](NodeId node, ClientId standby, std::uint32_t round) {
            cluster_->send(node, link::Settled{standby, round});
          },
          [this](ClientId standby, std::uint32_t round) { standby_owners_.settled(standby, round); }};
}

std::vector<ClientId> Daemon::greeted() const {
  std::vector<ClientId> ids;
  for (const auto& [id, client] : clients_) {
    if (client->greeted && !client->closed) ids.push_back(id);
  }
  return ids;
}

// Of this node: clients, and standby owners, which may know of objects anywhere.
std::set<ClientId> Daemon::users_of_arenas() const {
  std::set<ClientId> users;
  for (const auto& [id, client] : clients_) {
    if (client->greeted) users.insert(id);
  }
  for (const ClientId standby : standby_owners_.standbys()) users.insert(standby);
  return users;
}

// From a client of this node, or a standby owner.
void Daemon::peer_message(ClientId from, ClientId to, std::vector<std::byte> message) {
  if (Client* client = find(to)) {
    if (owner::is_standby(from)) deaths_.flush();  // its owner's death first, which says how that ended
    return send(*client, net::FromPeer{from, std::move(message)});
  }
  if (node_of(to) == self_) return to_standby_owners(from, to, message);
  if (cluster_) cluster_->send(node_of(to), link::Peer{from, to, std::move(message)});
}

void Daemon::to_standby_owners(ClientId from, ClientId to, std::span<const std::byte> message) {
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

void Daemon::drop_user(ClientId user) {
  for (auto it = arenas_of_the_dead_.begin(); it != arenas_of_the_dead_.end();) arena_unused((it++)->first, user);
}

// Of the arenas that the other one uses.
void Daemon::add_user(ClientId user, ClientId where) {
  for (auto& [arena, dead] : arenas_of_the_dead_) {
    if (dead.users.contains(where)) dead.users.insert(user);
  }
}

// All that live are about to hear of the death, or have.
void Daemon::death_announced(ClientId dead, const std::string& status) {
  standby_owners_.client_died(dead, status);
  // Later: the head is in the middle of telling other nodes.
  if (node_of(dead) == self_) boost::asio::post(io_, [this, dead] { standby_owners_.announced(dead); });
}

// --- owner::StandbyEffects

void Daemon::send_as(ClientId from, ClientId to, owner::PeerMessage message) {
  const auto packet = std::visit([](auto& m) { return net::PeerPacket(std::move(m)); }, message);
  peer_message(from, to, net::encode(packet));
}

void Daemon::free_block(const owner::StoredLocation& location) {
  if (node_of(location.arena) == self_ && find(location.arena) == nullptr) return;
  peer_message(client_of(self_, 0), location.arena, net::encode(net::PeerPacket(net::FreeBlock{location.offset})));
}

void Daemon::arena_unused(ClientId arena, ClientId user) {
  const auto it = arenas_of_the_dead_.find(arena);
  if (it == arenas_of_the_dead_.end()) return;
  it->second.users.erase(user);
  if (!it->second.users.empty()) return;
  arenas_of_the_dead_.erase(it);
  if (cluster_ && node_of(arena) != self_) cluster_->send(node_of(arena), link::ArenaUnused{arena});
}

void Daemon::ask_all(ClientId standby, std::uint32_t round) {
  std::vector<NodeId> others;
  for (const auto& node : nodes_) {
    if (node.node != self_) others.push_back(node.node);
  }
  round_call_.start(standby, round, greeted(), others);
}

void Daemon::standby_closed(ClientId standby) { drop_user(standby); }

}  // namespace manta::node
