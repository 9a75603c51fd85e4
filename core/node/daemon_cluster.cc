// The daemon as one of a cluster: what its clients want of other nodes, and other nodes' clients of it.
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

namespace manta::node {

namespace {

constexpr auto kReplanEvery = std::chrono::milliseconds(5);

bool closed(int socket) {
  pollfd peer{socket, POLLIN, 0};
  return ::poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

// --- beginning

std::unique_ptr<Cluster> Daemon::make_cluster() {
  if (!config_.listen.empty()) return Cluster::listen(io_, config_, *this, pressure_, host_, driver_);
  if (config_.join.empty()) return nullptr;
  auto cluster = Cluster::join(io_, config_, host_, *this, pressure_, [this] { return closed(launcher_.fd()); });
  self_ = cluster->self();
  driver_ = cluster->driver();
  return cluster;
}

void Daemon::start_cluster() {
#ifdef __GLIBC__
  // Chunks of objects come and go: their pages stay, instead of being faulted in anew for each.
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  (void)::mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
  placing();
  transfers_ = std::make_unique<Transfers>(
      Transfers::Edge{[this](NodeId to, const link::Message& message) { cluster_->send(to, message); },
                      [this](ClientId arena) { return arena_of(arena); },
                      [this](ClientId client, std::uint64_t id, const std::string& why, int memory) {
                        Client* reader = find(client);
                        if (reader == nullptr) return;
                        send(*reader, net::BlockPulled{id, why}, {&memory, memory >= 0 ? 1u : 0u});
                      }});
  if (!cluster_->is_head()) {  // the program that was started ends: so does its node
    watched_.emplace_back(io_, launcher_.take().release())
        .async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
          if (!error) stop();
        });
  }
  cluster_->start();
}

// --- membership

void Daemon::node_up(const net::NodeOfCluster& node) {
  loop_thread_.assert_current();
  log::info("node ", node.node, " (", node.host, ") joined");
  (void)head_.node_joined(node.node, net::resources_of(node.total), node.host, now());
  nodes_.push_back(node);
  for (const auto& [id, client] : clients_) send(*client, net::NodeJoined{node});
  placing_->node_joined(node.node, node.host, net::resources_of(node.total));
  if (is_head()) {
    tell_of_groups(node.node);
    planner_.node_joined(node.node, net::resources_of(node.total), now());
  }
  schedule_tick();
}

void Daemon::node_down(NodeId node, const std::string& status) {
  loop_thread_.assert_current();
  head_.node_left(node, status, now());  // which announces the deaths of its clients, then its own
  schedule_tick();
}

void Daemon::announce_node_death(NodeId to, NodeId dead, const std::string& status) {
  if (to != self_) {
    if (cluster_ && cluster_->is_head()) cluster_->tell(to, link::NodeDown{dead, status});
    return;
  }
  std::string name = "node " + std::to_string(dead.value);
  for (const auto& node : nodes_) {
    if (node.node == dead) name += " (" + node.host + ")";
  }
  log::info(name, " ", status);
  std::erase_if(nodes_, [&](const auto& node) { return node.node == dead; });
  // Submitters of it whose birth was never announced are dead too.
  const std::set<ClientId> submitters = foreign_submitters_;
  for (const ClientId client : submitters) {
    if (node_of(client) == dead) foreign_client_gone(client, "its " + name + " " + status);
  }
  std::erase_if(arenas_of_the_dead_, [&](const auto& arena) { return node_of(arena.first) == dead; });
  drop_user(client_of(dead, 0));
  standby_owners_.node_died(dead, "was on " + name + " " + status);
  round_call_.node_gone(dead);
  transfers_->node_left(dead, name + " " + status);
  deaths_.flush();
  for (const auto& [id, client] : clients_) send(*client, net::NodeDied{dead, name + " " + status});
  placing_->node_left(dead);
  if (is_head()) planner_.node_left(dead, now());
}

void Daemon::client_up(ClientId client) {
  loop_thread_.assert_current();
  (void)head_.client_joined(client, node_of(client), head::ClientKind::worker, now());
}

void Daemon::client_down(ClientId client, const std::string& status) {
  loop_thread_.assert_current();
  cluster_->is_head() ? head_.client_left(client, status, now()) : announce_client_death(self_, client, status);
  schedule_tick();
}

// A client of this node. Of deaths all nodes hear through the head, this one too.
void Daemon::client_started(ClientId client) {
  if (!cluster_ || cluster_->is_head()) {
    (void)head_.client_joined(client, self_, head::ClientKind::worker, now());
  } else {
    cluster_->tell(Cluster::kHead, link::ClientUp{client});
  }
}

void Daemon::client_ended(ClientId client, const std::string& status) {
  if (placing_) placing_->client_left(client);
  if (transfers_) transfers_->client_left(client);
  if (!cluster_ || cluster_->is_head()) {
    head_.client_left(client, status, now());
  } else {
    cluster_->tell(Cluster::kHead, link::ClientDown{client, status});
  }
}

void Daemon::foreign_client_gone(ClientId client, const std::string& status) {
  if (foreign_submitters_.erase(client) > 0) scheduler_.client_left(client, status, now());
  // Its node keeps its arena until no client of this one knows of objects in it.
  DeadArena dead{Fd(), users_of_arenas()};
  if (dead.users.empty()) {
    cluster_->send(node_of(client), link::ArenaUnused{client});
  } else {
    arenas_of_the_dead_[client] = std::move(dead);
  }
}

void Daemon::head_gone(bool orderly, const std::string& why) {
  loop_thread_.assert_current();
  if (!orderly) {
    exit_status_ = 1;
    log::error("this node ends: it has lost the head's node: ", why);
  } else if (why.starts_with("refused")) {
    exit_status_ = 1;
    log::error("this node ends: ", why);
  }
  stop();
}

// --- demands and leases

void Daemon::place_demand(Client& client, const net::SetDemand& m) {
  if (cluster_ || (placing_ && m.where.bundle)) {
    placing_->view(self_, scheduler_.ledger().available());
    return placing_->set_demand(client.id, m.shape, net::resources_of(m.request), m.where, m.wanted);
  }
  if (m.where.node && m.where.node != self_ && !m.where.soft && m.wanted > 0) {
    return infeasible(client.id, m.shape,
                      "node " + std::to_string(m.where.node.value) +
                          ", to which TaskOptions::node binds it, is not alive: this one, " +
                          std::to_string(self_.value) + ", is alone; name it, or set node_soft");
  }
  if (m.where.bundle && m.wanted > 0) {
    return infeasible(client.id, m.shape, "there is no placement group " + std::to_string(m.where.bundle.group));
  }
  scheduler_.set_demand(client.id, m.shape, net::resources_of(m.request), {}, m.wanted, now());
}

void Daemon::set_share(NodeId node, ClientId client, sched::ShapeIndex shape, const sched::ResourceSet& request,
                       const Bundle& bundle, std::uint32_t wanted) {
  if (node == self_) return scheduler_.set_demand(client, shape, request, bundle, wanted, now());
  net::SetDemand demand{shape, net::wire_of(request), wanted, {}};
  demand.where.bundle = bundle;
  relay(client, node, demand);
}

void Daemon::refuse(ClientId client, sched::ShapeIndex shape, const std::string& why) {
  infeasible(client, shape, why);
}

void Daemon::return_lease(ClientId client, LeaseId lease) {
  if (placing_) placing_->lease_over(lease);
  if (!cluster_ || node_of(lease) == self_) return scheduler_.return_lease(client, lease, now());
  relay(client, node_of(lease), net::ReturnLease{lease});
}

// A client's message to the daemon of another node.
void Daemon::relay(ClientId client, NodeId to, const net::ClientMessage& message) {
  cluster_->send(to, link::FromClient{client, net::encode(message)});
}

void Daemon::to_client(ClientId id, const net::NodeMessage& message) {
  if (Client* client = find(id)) return send(*client, message);
  if (cluster_ && node_of(id) != self_) cluster_->send(node_of(id), link::ForClient{id, net::encode(message)});
}

void Daemon::from_foreign_client(NodeId from, const link::FromClient& m) {
  auto message = net::decode_client_message(m.message);
  if (!message || node_of(m.client) != from) return;
  if (const auto* demand = std::get_if<net::SetDemand>(&*message)) {
    if (foreign_submitters_.insert(m.client).second) scheduler_.driver_joined(m.client, now());
    scheduler_.set_demand(m.client, demand->shape, net::resources_of(demand->request), demand->where.bundle,
                          demand->wanted, now());
  } else if (const auto* back = std::get_if<net::ReturnLease>(&*message)) {
    scheduler_.return_lease(m.client, back->lease, now());
  } else if (const auto* kill = std::get_if<net::KillWorker>(&*message)) {
    if (node_of(kill->lease) == self_) kill_leased(m.client, *kill);
  } else if (const auto* taken = std::get_if<net::OutputTaken>(&*message)) {
    output_taken(m.client, *taken);
  } else if (const auto* drain = std::get_if<net::DrainOutput>(&*message)) {
    drain_output(m.client, *drain);
  } else if (cluster_->is_head()) {
    if (const auto* name = std::get_if<net::RegisterName>(&*message)) on_name(m.client, *name);
    if (const auto* name = std::get_if<net::FindName>(&*message)) on_name(m.client, *name);
    if (const auto* name = std::get_if<net::DropName>(&*message)) on_name(m.client, *name);
    if (const auto* group = std::get_if<net::CreateGroup>(&*message)) create_group(m.client, *group);
    if (const auto* group = std::get_if<net::RemoveGroup>(&*message)) remove_group(m.client, *group);
  }
}

void Daemon::for_client(NodeId from, const link::ForClient& m) {
  auto message = net::decode_node_message(m.message);
  Client* client = find(m.client);
  if (!message || client == nullptr) return;  // it died: that node hears of it too, and takes its leases back
  if (const auto* granted = std::get_if<net::Granted>(&*message)) {
    if (node_of(granted->lease) != from || node_of(granted->worker) != from || granted->new_ring) return;
    placing_->granted(granted->lease, m.client, granted->shape);
  } else if (const auto* ended = std::get_if<net::LeaseEnded>(&*message)) {
    placing_->lease_over(ended->lease);
  } else if (!std::holds_alternative<net::Infeasible>(*message) && !std::holds_alternative<net::AskBack>(*message) &&
             !std::holds_alternative<net::Named>(*message) && !std::holds_alternative<net::OutputText>(*message) &&
             !std::holds_alternative<net::OutputDrained>(*message) &&
             !std::holds_alternative<net::GroupMade>(*message)) {
    return;
  }
  send(*client, *message);
}

void Daemon::view_changed(const link::View& view) {
  loop_thread_.assert_current();
  std::map<sched::ClusterScheduler::Key, std::uint32_t> held;
  for (const link::Held& h : view.held) {
    if (node_of(h.client) == self_) held[{h.client, h.shape}] = h.leases;
  }
  placing_->view(view.node, net::resources_of(view.available), std::move(held));
  planner_.view(view.node, net::resources_of(view.available));
  look_at_views();
}

void Daemon::look_at_views() {
  std::vector<link::Held> held;
  for (const ClientId client : foreign_submitters_) {
    for (const auto& [shape, leases] : scheduler_.held_by(client)) held.push_back({client, shape, leases});
  }
  cluster_->publish(net::wire_of(scheduler_.ledger().available()), std::move(held));
  if (replan_waits_) return;
  replan_waits_ = true;
  replan_timer_.expires_after(kReplanEvery);
  replan_timer_.async_wait([this](boost::system::error_code error) {
    if (error || stopping_) return;
    placing_->view(self_, scheduler_.ledger().available());
    placing_->replan();
    schedule_tick();
    replan_waits_ = false;
  });
}

// --- between clients

int Daemon::arena_of(ClientId id) {
  if (const Client* owner = find(id)) return owner->arena_for_readers.get();
  const auto it = arenas_of_the_dead_.find(id);
  return it != arenas_of_the_dead_.end() ? it->second.memory.get() : -1;
}

void Daemon::message(NodeId from, link::Message message) {
  loop_thread_.assert_current();
  std::visit(Overloaded{
                 [&](const link::FromClient& m) { from_foreign_client(from, m); },
                 [&](const link::ForClient& m) { for_client(from, m); },
                 [&](link::Peer& m) {
                   if (node_of(m.from) == from && node_of(m.to) == self_)
                     peer_message(m.from, m.to, std::move(m.message));
                 },
                 [&](const link::ArenaUnused& m) {
                   if (node_of(m.client) == self_) arena_unused(m.client, client_of(from, 0));
                 },
                 [&](const link::Settle& m) {
                   if (node_of(m.standby) == from) round_call_.asked(from, m.standby, m.round, greeted());
                 },
                 [&](const link::Settled& m) { round_call_.node_answered(from, m.standby, m.round); },
                 [&](const link::Pull& m) { transfers_->serve(from, m.id, m.location); },
                 [&](const link::Chunk& m) { transfers_->chunk(from, m.id, m.bytes); },
                 [&](const link::PullMore& m) { transfers_->more(from, m.id); },
                 [&](const link::PullFailed& m) { transfers_->failed(from, m.id, m.why); },
                 [&](const auto&) { on_group_message(from, message); },
             },
             message);
  schedule_tick();
}

}  // namespace manta::node
