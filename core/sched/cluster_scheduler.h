// At a submitter's own node: which nodes are to grant its leases. Sans-I/O.
//
// A demand is a level (how many leases a client wants of a shape); this splits it into one level per node and changes
// the split as nodes come, go and fill up. Each node grants by its own NodeScheduler. What is known of other nodes is a
// little old; a share that cannot be granted waits in that node's queue until the next view moves it.
//
//   CSCHED-1  the shares of a demand sum up to the leases wanted, or the demand is refused, or waits for its bundle
//   CSCHED-2  a share goes only to a live node that could ever run the shape, and that Where allows
//   CSCHED-3  the same events give the same shares (no clock, no chance)
//   CSCHED-4  demands that spread are even together: one for each actor, or one for many tasks
//   CSCHED-5  actors that take no resources and may be anywhere (Placement::pack) count as a CPU each when they are
//             placed: this node takes as many as it has CPUs, then each other one, the fullest first, and more go where
//             there are the fewest for each CPU. They stay where they were placed. Counts only this node's clients'
//
// Threading: one thread. Ownership: effects must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/resources.h"
#include "core/sched/shape.h"

namespace manta::sched {

// Called at the end of an event; they may call granted() and lease_over().
class ClusterSchedulerEffects {
 public:
  virtual ~ClusterSchedulerEffects() = default;
  // bundle: the node's bundle that grants it; none: any free resources.
  virtual void set_share(NodeId node, ClientId client, ShapeIndex shape, const ResourceSet& request,
                         const Bundle& bundle, std::uint32_t wanted) = 0;
  // Leases that this node has granted, those included for which a worker is being started.
  virtual std::uint32_t held_here(ClientId client, ShapeIndex shape) = 0;
  // No live node that Where allows could ever run it. The demand is void.
  virtual void refuse(ClientId client, ShapeIndex shape, const std::string& why) = 0;
};

class ClusterScheduler {
 public:
  ClusterScheduler(NodeId self, ClusterSchedulerEffects& effects) : self_(self), effects_(effects) {}

  // This node too.
  void node_joined(NodeId node, const std::string& host, const ResourceSet& total);
  // What it had to grant goes to others.
  void node_left(NodeId node);
  // A node's free resources and its grants to this node's clients, like held_here. Only replan() changes shares.
  using Key = std::pair<ClientId, ShapeIndex>;
  void view(NodeId node, const ResourceSet& available, std::map<Key, std::uint32_t> held = {});
  void set_demand(ClientId client, ShapeIndex shape, const ResourceSet& request, const Where& where,
                  std::uint32_t wanted);
  void client_left(ClientId client);
  // Where the bundles of a placement group are; none: not placed. Known groups are all that are not gone: of others
  // demands are refused.
  void group_placed(std::uint64_t group, std::vector<NodeId> nodes);
  void group_gone(std::uint64_t group);
  // A client has the lease, or no more (returned, or ended), and with an actor's the node that granted it has dropped
  // the demand (SCHED-9). The lease's id names the node.
  void granted(LeaseId lease, ClientId client, ShapeIndex shape);
  void lease_over(LeaseId lease);
  // Splits all demands anew.
  void replan();

  // Of the nodes but this one: "host-b (node 2): CPU: 4, of which CPU: 0 is free"; empty: there are none.
  std::string others() const;
  std::uint32_t share(NodeId node, ClientId client, ShapeIndex shape) const;

 private:
  struct Node {
    std::string host;
    ResourceSet total;
    ResourceSet available;
    std::map<Key, std::uint32_t> held;
  };
  struct Demand {
    ResourceSet request;
    Where where;
    std::uint32_t wanted = 0;
    std::map<NodeId, std::uint32_t> shares;
    std::map<NodeId, std::uint32_t> held;
    std::uint64_t turn = 0;  // if it spreads: which node is the first of equal ones
  };
  struct Candidate {
    NodeId node;
    std::uint64_t held = 0;  // leases there
    std::uint64_t room = 0;  // those, and what fits besides
    double used = 0;         // of the node, from 0 to 1
    std::uint32_t share = 0;
  };

  void plan(const Key& key);
  void plan_in_bundle(const Key& key);
  void set_shares(const Key& key, std::map<NodeId, std::uint32_t> shares);
  void refuse(const Key& key, const std::string& why);
  std::vector<Candidate> candidates(const Key& key, const Demand& demand) const;
  void pack(const Demand& demand, std::vector<Candidate>& nodes) const;
  void spread(const Demand& demand, std::vector<Candidate>& nodes) const;
  void pack_weightless(const Demand& demand, std::vector<Candidate>& nodes) const;
  std::string why_nowhere(const Demand& demand) const;
  void count(const Demand& demand, std::int64_t sign);
  bool settled(const Demand& demand) const;
  void lease_of_actor_over(Demand& demand, NodeId node);
  void drop_if_unused(const Key& key);

  NodeId self_;
  ClusterSchedulerEffects& effects_;
  std::map<NodeId, Node> nodes_;  // alive
  std::map<std::uint64_t, std::vector<NodeId>> groups_;
  std::map<Key, Demand> demands_;
  std::map<LeaseId, Key> leases_;
  std::map<NodeId, std::int64_t> spread_;      // shares of all demands that spread
  std::map<NodeId, std::int64_t> weightless_;  // shares of all actors by CSCHED-5
  std::uint64_t turn_ = 0;
};

}  // namespace manta::sched
