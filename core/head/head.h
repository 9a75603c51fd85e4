// The cluster's memory: which nodes, jobs and processes there are, and what could run where. Sans-I/O.
//
// Never on the path of a task or an object: it hears of processes that come and go, and tells all live nodes.
//
//   HEAD-1  a client or node id that was declared dead never comes back to life
//   HEAD-2  a death is announced exactly once to every live node, and after the announcement of its birth
//   HEAD-3  a node that missed its heartbeats is dead, and so are its clients, announced before the node
//   HEAD-4  a job ends exactly once: with its driver, or with its driver's node
//   HEAD-5  a name belongs to one actor, from its registration until it is dropped or the actor's owner dies
//
// Threading: one thread. Ownership: effects must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/head/id_set.h"
#include "core/sched/resources.h"

namespace manta::head {

using Time = std::chrono::nanoseconds;

// Called in the middle of an event: they must not call the head back, but leave that for later.
class HeadEffects {
 public:
  virtual ~HeadEffects() = default;
  // To one node's daemon. Also to the one that reported it: all nodes hear the same.
  virtual void announce_client_death(NodeId to, ClientId client, const std::string& status) = 0;
  virtual void announce_node_death(NodeId to, NodeId dead, const std::string& status) = 0;
  // The job's processes on that node should end.
  virtual void end_job(NodeId to, ClientId driver) = 0;
};

struct HeadConfig {
  Time heartbeat_timeout = std::chrono::seconds(1);  // Time::max(): never, for a head that lives with its only node
};

// An actor that is found by name.
struct Named {
  ObjectId actor;
  ClientId owner;
  std::string type;
};

enum class ClientKind : std::uint8_t { driver, worker };

class Head {
 public:
  Head(HeadConfig config, HeadEffects& effects);

  // invalid_argument if the id was used before (HEAD-1).
  [[nodiscard]] Result<void> node_joined(NodeId node, const sched::ResourceSet& total, const std::string& host,
                                         Time now);
  // Orderly, or its connection broke. Its clients are dead with it. Unknown and dead nodes are ignored.
  void node_left(NodeId node, const std::string& status, Time now);
  void heartbeat(NodeId node, Time now);
  // invalid_argument if the id was used before (HEAD-1), unavailable if the node is not alive.
  [[nodiscard]] Result<void> client_joined(ClientId client, NodeId node, ClientKind kind, Time now);
  // Unknown and dead clients are ignored.
  void client_left(ClientId client, const std::string& status, Time now);
  // Declares overdue nodes dead; returns when it wants to be called again.
  Time tick(Time now);
  // The same; a node that joins may make it earlier.
  Time next_tick() const;

  // The actor that has the name already; null: none had, now this one has. The pointer is valid until the next event.
  const Named* register_name(const std::string& name, Named actor);
  const Named* find_name(const std::string& name) const;           // null: none
  void drop_name(const std::string& name, const ObjectId& actor);  // of another actor: ignored

  NodeId node_of(ClientId client) const;  // none: unknown or dead
  bool alive(ClientId client) const;
  // Empty if some live node could run it; else a sentence that compares it with the node that comes nearest.
  std::string why_infeasible(const sched::ResourceSet& request) const;
  // Text of the first broken invariant, or "".
  std::string check_invariants() const;

 private:
  struct Node {
    sched::Ledger offer;  // nothing is ever taken from it
    std::string host;
    Time last_heartbeat{0};
    std::set<ClientId> clients;
  };
  struct Client {
    NodeId node;
    ClientKind kind = ClientKind::worker;
  };

  void bury(const std::vector<NodeId>& dead, const std::string& status);
  void announce_end(ClientId client, ClientKind kind, const std::string& status);

  HeadConfig config_;
  HeadEffects& effects_;
  std::map<NodeId, Node> nodes_;  // alive
  std::map<std::string, Named> names_;
  std::map<ClientId, Client> clients_;  // alive, each on a live node
  std::set<std::pair<Time, NodeId>> by_heartbeat_;
  IdSet used_nodes_;
  IdSet used_clients_;
};

}  // namespace manta::head
