// The head, as the node that carries it runs it: members, jobs, names and placement groups of the cluster. It talks to
// nodes, its own among them, by the messages that a link carries.
//
// Threading: the loop's. Ownership: context must outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/head/head.h"
#include "core/net/messages.h"
#include "core/node/link_messages.h"
#include "core/sched/group_planner.h"

namespace manta::node {

class HeadContext {
 public:
  virtual ~HeadContext() = default;
  // To a node, also the head's own: in the middle of an event.
  virtual void to_member(NodeId node, const link::Membership& message) = 0;
  virtual void to_member(NodeId node, const link::Message& message) = 0;
  // To a process of any node.
  virtual void to_client(ClientId client, const net::NodeMessage& message) = 0;
  virtual void end_job(ClientId driver) = 0;
};

// What a process of any node asks of the head.
using HeadRequest = std::variant<net::RegisterName, net::FindName, net::DropName, net::CreateGroup, net::RemoveGroup>;

class HeadService final : head::HeadEffects, sched::GroupPlannerEffects {
 public:
  using Time = sched::Time;

  // self: the node that carries the head.
  HeadService(NodeId self, HeadContext& context);

  // --- members
  void node_joined(const net::NodeOfCluster& node, Time now);
  void node_left(NodeId node, const std::string& status, Time now);
  void client_joined(ClientId client, head::ClientKind kind, Time now);
  void client_left(ClientId client, const std::string& status, Time now);
  void view(NodeId node, const sched::ResourceSet& available);

  // --- names and groups
  void request(ClientId client, const HeadRequest& request, Time now);
  void bundle_reserved(NodeId node, const link::BundleReserved& reserved, Time now);
  // Groups wait: the head's own view of what is free is to be current.
  bool groups_wait() const { return planner_.waiting(); }
  // A bundle of the group that is not reserved yet; null: the group is placed, or unknown.
  const sched::ResourceSet* unplaced(std::uint64_t group) const { return planner_.unplaced(group); }

  // Returns when it is to be called again.
  Time tick(Time now);

 private:
  // --- head::HeadEffects
  void announce_client_death(NodeId to, ClientId client, const std::string& status) override;
  void announce_node_death(NodeId to, NodeId dead, const std::string& status) override;
  void end_job(NodeId to, ClientId driver) override;
  // --- sched::GroupPlannerEffects
  void reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const sched::ResourceSet& request) override;
  void release(NodeId node, const Bundle& bundle, const std::string& why) override;
  void placed(std::uint64_t group, const std::vector<NodeId>& nodes) override;
  void gone(std::uint64_t group) override;

  void after_deaths(Time now);
  net::Named answer(std::uint64_t request, const head::Named* named) const;
  void create_group(ClientId client, const net::CreateGroup& m, Time now);

  NodeId self_;
  HeadContext& context_;
  head::Head head_;
  sched::GroupPlanner planner_;
  std::vector<NodeId> nodes_;           // alive
  std::vector<ClientId> dead_clients_;  // announced, unknown to the planner
  std::vector<NodeId> dead_nodes_;
};

}  // namespace manta::node
