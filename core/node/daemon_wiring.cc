#include "core/node/daemon_wiring.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon_nodes.h"

namespace manta::node {

void Daemon::Wiring::to_client(ClientId id, const net::NodeMessage& message) {
  if (Connection* connection = d.connections_.find(id)) return d.connections_.send(*connection, message);
  if (node_of(id) != d.self_) to_node(node_of(id), link::ForClient{id, net::encode(message)});
}

// From a process of this node, or a standby owner.
void Daemon::Wiring::peer_message(ClientId from, ClientId to, std::vector<std::byte> message) {
  if (Connection* connection = d.connections_.find(to)) {
    if (owner::is_standby(from)) d.deaths_.flush();  // its owner's death first, which says how that ended
    return d.connections_.send(*connection, net::FromPeer{from, std::move(message)});
  }
  if (node_of(to) == d.self_) return d.failover_.receive(from, to, message);
  to_node(node_of(to), link::Peer{from, to, std::move(message)});
}

void Daemon::Wiring::pulled(ClientId client, std::uint64_t id, const std::string& why, int memory) {
  Connection* reader = d.connections_.find(client);
  if (reader == nullptr) return;
  d.connections_.send(*reader, net::BlockPulled{id, why}, {&memory, memory >= 0 ? 1u : 0u});
}

void Daemon::Wiring::ask_process(ClientId client, const net::Settle& question) {
  d.deaths_.flush();
  if (Connection* connection = d.connections_.find(client)) d.connections_.send(*connection, question);
}

void Daemon::Wiring::end_job(ClientId driver) {
  if (driver == d.driver_) d.stop();
}

void Daemon::Wiring::relay(ClientId client, NodeId to, const net::ClientMessage& message) {
  to_node(to, link::FromClient{client, net::encode(message)});
}

void Daemon::Wiring::to_member(NodeId node, const link::Membership& message) {
  if (node != d.self_) return d.cluster_->tell(node, message);
  std::visit(Overloaded{
                 [&](const link::ClientDown& m) { d.nodes_->client_died(m.client, m.status); },
                 [&](const link::NodeDown& m) { d.nodes_->node_died(m.node, m.status); },
                 [](const auto&) {},
             },
             message);
}

void Daemon::Wiring::to_member(NodeId node, const link::Message& message) {
  node == d.self_ ? d.nodes_->group_message(Cluster::kHead, message) : to_node(node, message);
}

void Daemon::Wiring::tell_head(const link::Membership& message) {
  if (!d.head_) return d.cluster_->tell(Cluster::kHead, message);
  std::visit(Overloaded{
                 [&](const link::ClientUp& m) { d.head_->client_joined(m.client, head::ClientKind::worker, now()); },
                 [&](const link::ClientDown& m) { d.head_->client_left(m.client, m.status, now()); },
                 [](const auto&) {},
             },
             message);
}

// Within an event of the scheduler, which may be one of the head's.
void Daemon::Wiring::bundle_reserved(const link::BundleReserved& reserved) {
  if (!d.head_) return to_node(Cluster::kHead, reserved);
  boost::asio::post(d.io_, [this, reserved] {
    d.head_->view(d.self_, d.placement_.available());
    d.nodes_->group_message(d.self_, reserved);
    d.tick();
  });
}

void Daemon::Wiring::publish(const sched::ResourceSet& available, std::vector<link::Held> held) {
  d.cluster_->publish(net::wire_of(available), std::move(held));
}

std::vector<NodeId> Daemon::Wiring::other_nodes() const {
  std::vector<NodeId> others;
  for (const auto& node : d.members_) {
    if (node.node != d.self_) others.push_back(node.node);
  }
  return others;
}

}  // namespace manta::node
