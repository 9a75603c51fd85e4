#include "core/node/daemon_nodes.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon_wiring.h"

namespace manta::node {

// --- membership

void Daemon::Nodes::node_up(const net::NodeOfCluster& node) {
  loop_thread.assert_current();
  log::info("node ", node.node, " (", node.host, ") joined");
  d.members_.push_back(node);
  d.connections_.send_to_all(net::NodeJoined{node});
  d.placement_.node_joined(node);
  if (d.head_) d.head_->node_joined(node, d.now());
  d.tick();
}

void Daemon::Nodes::node_down(NodeId node, const std::string& status) {
  loop_thread.assert_current();
  d.head_ ? d.head_->node_left(node, status, d.now()) : node_died(node, status);
  d.tick();
}

void Daemon::Nodes::client_up(ClientId client) {
  loop_thread.assert_current();
  if (d.head_) d.head_->client_joined(client, head::ClientKind::worker, d.now());
}

void Daemon::Nodes::client_down(ClientId client, const std::string& status) {
  loop_thread.assert_current();
  d.head_ ? d.head_->client_left(client, status, d.now()) : client_died(client, status);
  d.tick();
}

void Daemon::Nodes::view_changed(const link::View& view) {
  loop_thread.assert_current();
  if (d.head_) d.head_->view(view.node, net::resources_of(view.available));
  d.placement_.view_changed(view);
}

void Daemon::Nodes::head_gone(bool orderly, const std::string& why) {
  loop_thread.assert_current();
  if (!orderly) {
    d.exit_status_ = 1;
    log::error("this node ends: it has lost the head's node: ", why);
  } else if (why.starts_with("refused")) {
    d.exit_status_ = 1;
    log::error("this node ends: ", why);
  }
  d.stop();
}

void Daemon::Nodes::client_died(ClientId client, const std::string& status) {
  if (node_of(client) != d.self_) {
    d.placement_.foreign_process_gone(client, status);
    d.arenas_.keep(client, Fd(), d.users_of_arenas());  // its node keeps the memory as long
  }
  d.deaths_.add(client, status);
  d.failover_.death_announced(client, status);
}

void Daemon::Nodes::node_died(NodeId dead, const std::string& status) {
  std::string name = "node " + std::to_string(dead.value);
  for (const auto& node : d.members_) {
    if (node.node == dead) name += " (" + node.host + ")";
  }
  log::info(name, " ", status);
  std::erase_if(d.members_, [&](const auto& node) { return node.node == dead; });
  // Submitters of it whose birth was never announced are dead too.
  for (const ClientId client : d.placement_.foreign_submitters()) {
    if (node_of(client) == dead) d.placement_.foreign_process_gone(client, "its " + name + " " + status);
  }
  d.arenas_.node_gone(dead);
  d.failover_.node_gone(dead, "was on " + name + " " + status);
  d.mover_.node_left(dead, name + " " + status);
  d.deaths_.flush();
  d.connections_.send_to_all(net::NodeDied{dead, name + " " + status});
  d.placement_.node_left(dead);
}

// --- messages

void Daemon::Nodes::message(NodeId from, link::Message message) {
  loop_thread.assert_current();
  std::visit(Overloaded{
                 [&](const link::FromClient& m) { from_client(from, m); },
                 [&](const link::ForClient& m) { for_client(from, m); },
                 [&](link::Peer& m) {
                   if (node_of(m.from) != from || node_of(m.to) != d.self_) return;
                   d.wiring_->peer_message(m.from, m.to, std::move(m.message));
                 },
                 [&](const link::ArenaUnused& m) {
                   if (node_of(m.client) == d.self_) d.arenas_.unused(m.client, client_of(from, 0));
                 },
                 [&](const link::Settle& m) { d.failover_.asked(from, m); },
                 [&](const link::Settled& m) { d.failover_.answered(from, m); },
                 [&](const link::Pull& m) { d.link_mover_.serve(from, m.id, m.location); },
                 [&](const link::Chunk& m) { d.link_mover_.chunk(from, m.id, m.bytes); },
                 [&](const link::PullMore& m) { d.link_mover_.more(from, m.id); },
                 [&](const link::PullFailed& m) { d.link_mover_.failed(from, m.id, m.why); },
                 [&](const auto&) { group_message(from, message); },
             },
             message);
  d.tick();
}

void Daemon::Nodes::group_message(NodeId from, const link::Message& message) {
  if (const auto* reserved = std::get_if<link::BundleReserved>(&message)) {
    if (d.head_) d.head_->bundle_reserved(from, *reserved, d.now());
    return;
  }
  if (from != Cluster::kHead) return;
  std::visit(Overloaded{
                 [&](const link::ReserveBundle& m) { d.placement_.reserve(m); },
                 [&](const link::ReleaseBundle& m) { d.placement_.release(m); },
                 [&](const link::GroupAt& m) { d.placement_.group_at(m); },
                 [&](const link::GroupGone& m) { d.placement_.group_gone(m); },
                 [](const auto&) {},
             },
             message);
}

// From a process of another node to this node, or to the head.
void Daemon::Nodes::from_client(NodeId from, const link::FromClient& m) {
  auto message = net::decode_client_message(m.message);
  if (!message || node_of(m.client) != from) return;
  const ClientId client = m.client;
  const auto ask_head = [&](const HeadRequest& request) {
    if (d.head_) d.ask_head(client, request);
  };
  std::visit(
      Overloaded{
          [&](const net::SetDemand& demand) { d.placement_.foreign_demand(client, demand); },
          [&](const net::ReturnLease& back) { d.placement_.scheduler().return_lease(client, back.lease, d.now()); },
          [&](const net::KillWorker& kill) {
            if (node_of(kill.lease) == d.self_) d.placement_.kill_leased(client, kill);
          },
          [&](const net::OutputTaken& taken) { d.output_taken(client, taken); },
          [&](const net::DrainOutput& drain) { d.drain_output(client, drain); },
          [&](const net::RegisterName& name) { ask_head(name); },
          [&](const net::FindName& name) { ask_head(name); },
          [&](const net::DropName& name) { ask_head(name); },
          [&](const net::CreateGroup& group) { ask_head(group); },
          [&](const net::RemoveGroup& group) { ask_head(group); },
          [](const auto&) {},
      },
      *message);
}

// From another node, or the head, to a process of this one. If that has died, the other node gets the announcement of
// its death and takes its leases back.
void Daemon::Nodes::for_client(NodeId from, const link::ForClient& m) {
  auto message = net::decode_node_message(m.message);
  Connection* connection = d.connections_.find(m.client);
  if (!message || connection == nullptr || !d.placement_.takes(from, m.client, *message)) return;
  d.connections_.send(*connection, *message);
}

}  // namespace manta::node
