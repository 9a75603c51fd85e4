// What a node does for processes that have died: their standby owners answer for their objects, and all processes of
// the cluster confirm that they have handled what was sent before.
//
//   NODE-5  what is sent to a dead process of this node, or to its standby owner, is answered
//
// Threading: the loop's. Ownership: owns the standby owners; context must outlive it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "core/net/messages.h"
#include "core/node/link_messages.h"
#include "core/owner/round_call.h"
#include "core/owner/standby_owners.h"

namespace manta::node {

class FailoverContext {
 public:
  virtual ~FailoverContext() = default;
  // From a process or standby owner of this node, to a process anywhere.
  virtual void peer_message(ClientId from, ClientId to, std::vector<std::byte> message) = 0;
  virtual void to_node(NodeId node, const link::Message& message) = 0;
  // To a process of this node; after all deaths that were announced to it.
  virtual void ask_process(ClientId client, const net::Settle& question) = 0;
  // A process of this node lives.
  virtual bool lives_here(ClientId client) const = 0;
  // The processes of this node, and the other nodes.
  virtual std::vector<ClientId> live_processes() const = 0;
  virtual std::vector<NodeId> other_nodes() const = 0;
  // The process or standby owner knows of no object in the arena; of none at all.
  virtual void arena_unused(ClientId arena, ClientId user) = 0;
  virtual void user_gone(ClientId user) = 0;
  // The standby owner may know of objects where its client did.
  virtual void user_added(ClientId user, ClientId where) = 0;
};

class Failover final : owner::StandbyEffects {
 public:
  Failover(boost::asio::io_context& io, NodeId self, FailoverContext& context);

  std::vector<ClientId> standbys() const { return standby_owners_.standbys(); }

  // --- from processes of this node
  void replicate(ClientId client, std::vector<owner::Replica> replicas) {
    standby_owners_.replicate(client, std::move(replicas));
  }
  void withdraw(ClientId client, const std::vector<ObjectId>& objects) { standby_owners_.withdraw(client, objects); }
  void settled(ClientId client, const net::Settled& answer) {
    round_call_.client_answered(client, answer.standby, answer.round);
  }
  // A message to a process of this node that is dead, or to a standby owner.
  void receive(ClientId from, ClientId to, std::span<const std::byte> message);

  // --- from other nodes
  void asked(NodeId from, const link::Settle& question);
  void answered(NodeId from, const link::Settled& answer) {
    round_call_.node_answered(from, answer.standby, answer.round);
  }

  // A process of this node has died, and all that it had sent was handled.
  void process_gone(ClientId client, const std::string& status);
  // The death of a process of any node is being announced to those of this one.
  void death_announced(ClientId client, const std::string& status);
  void node_gone(NodeId node, const std::string& status);

 private:
  owner::RoundCallEdge round_call_edge();
  // --- owner::StandbyEffects
  void send_as(ClientId from, ClientId to, owner::PeerMessage message) override;
  void free_block(const owner::StoredLocation& location) override;
  void arena_unused(ClientId arena, ClientId standby) override { context_.arena_unused(arena, standby); }
  void ask_all(ClientId standby, std::uint32_t round) override;
  void standby_closed(ClientId standby) override { context_.user_gone(standby); }

  boost::asio::io_context& io_;
  NodeId self_;
  FailoverContext& context_;
  owner::StandbyOwners standby_owners_;
  owner::RoundCall round_call_;
};

}  // namespace manta::node
