// The processes and nodes whose death this process has heard of.
//
// Threading: none of its own (the owner's lock).
#pragma once

#include <map>
#include <set>
#include <string>

#include <manta/ids.h>

namespace manta::owner {

class Deaths {
 public:
  // status: how it died, for people. The first status stays.
  void add(ClientId client, const std::string& status) { clients_.emplace(client, status); }
  void add(NodeId node) { nodes_.insert(node); }
  bool contains(ClientId client) const { return clients_.contains(client) || nodes_.contains(node_of(client)); }
  bool contains(NodeId node) const { return nodes_.contains(node); }
  // Whether the death of the process itself was announced, not only that of its node.
  bool announced(ClientId client) const { return clients_.contains(client); }
  std::string status_of(ClientId client) const {
    const auto it = clients_.find(client);
    return it == clients_.end() ? "has ended" : it->second;
  }

 private:
  std::map<ClientId, std::string> clients_;  // looked up, never walked
  std::set<NodeId> nodes_;                   // looked up, never walked
};

}  // namespace manta::owner
