// What the services of a node ask of each other, and by which way: each function says which service, process or node it
// goes to. Private to core/node.
#pragma once

#include <string>
#include <vector>

#include "core/node/daemon.h"

namespace manta::node {

struct Daemon::Wiring final : FailoverContext, PlacementContext, HeadContext, LinkMoverEffects {
  explicit Wiring(Daemon& daemon) : d(daemon) {}

  // --- to processes
  void to_client(ClientId client, const net::NodeMessage& message) override;
  void peer_message(ClientId from, ClientId to, std::vector<std::byte> message) override;
  void ask_process(ClientId client, const net::Settle& question) override;
  void pulled(ClientId client, std::uint64_t id, const std::string& why, int memory) override;
  void end_job(ClientId driver) override;
  // --- to nodes
  void relay(ClientId client, NodeId to, const net::ClientMessage& message) override;
  void to_node(NodeId node, const link::Message& message) override { d.cluster_->send(node, message); }
  void to_member(NodeId node, const link::Membership& message) override;
  void to_member(NodeId node, const link::Message& message) override;
  void tell_head(const link::Membership& message);
  void bundle_reserved(const link::BundleReserved& reserved) override;
  void publish(const sched::ResourceSet& available, std::vector<link::Held> held) override;
  // --- to services
  void start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) override {
    d.workers_.start(worker, gpus, env);
  }
  void kill_worker(ClientId worker) override { d.workers_.kill(worker); }
  void arena_unused(ClientId arena, ClientId user) override { d.arenas_.unused(arena, user); }
  void user_gone(ClientId user) override { d.arenas_.drop_user(user); }
  void user_added(ClientId user, ClientId where) override { d.arenas_.add_user(user, where); }
  void wake() override { d.tick(); }
  // --- what there is
  int arena(ClientId client) const override { return d.arena_of(client); }
  bool lives_here(ClientId client) const override { return d.connections_.find(client) != nullptr; }
  std::vector<ClientId> live_processes() const override { return d.connections_.live(); }
  std::vector<NodeId> other_nodes() const override;
  bool stopping() const override { return d.stopping_; }
  sched::Time now() const override { return d.now(); }

 private:
  Daemon& d;
};

}  // namespace manta::node
