// A question to every process of the cluster, by way of the daemons: each node asks its own clients, and says when all
// of them have answered or are dead. Sans-I/O; one of these per daemon.
//
// Threading: one thread. Ownership: edge functions must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <manta/ids.h>

namespace manta::owner {

struct RoundCallEdge {
  std::function<void(ClientId client, ClientId standby, std::uint32_t round)> ask_client;
  std::function<void(NodeId node, ClientId standby, std::uint32_t round)> ask_node;     // which calls asked()
  std::function<void(NodeId node, ClientId standby, std::uint32_t round)> answer_node;  // which calls node_answered()
  std::function<void(ClientId standby, std::uint32_t round)> over;
};

class RoundCall {
 public:
  explicit RoundCall(RoundCallEdge edge) : edge_(std::move(edge)) {}

  // For a standby owner of this node.
  void start(ClientId standby, std::uint32_t round, const std::vector<ClientId>& clients,
             const std::vector<NodeId>& others);
  // By the standby owner's node.
  void asked(NodeId by, ClientId standby, std::uint32_t round, const std::vector<ClientId>& clients);
  void client_answered(ClientId client, ClientId standby, std::uint32_t round);
  void node_answered(NodeId node, ClientId standby, std::uint32_t round);
  void client_gone(ClientId client);
  void node_gone(NodeId node);

 private:
  struct Call {
    std::uint32_t round = 0;
    NodeId by;                   // none: this one
    std::set<ClientId> clients;  // that have yet to answer
    std::set<NodeId> nodes;
  };
  void end_if_over(ClientId standby);

  RoundCallEdge edge_;
  std::map<ClientId, Call> calls_;  // by standby owner
};

}  // namespace manta::owner
