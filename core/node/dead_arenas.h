// The memory of arenas whose processes are dead, kept while a process or a node may know of objects in it (OWN-8).
//
// A node keeps the memory of its own dead processes, for its own processes and for other nodes; of those of other nodes
// it keeps only which of its own processes may know of objects there, and tells that node when none is left.
//
// Threading: none of its own. Ownership: owns the descriptors.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include <manta/ids.h>

#include "core/base/fd.h"

namespace manta::node {

class DeadArenas {
 public:
  // No process of this node knows of objects in the arena, which is another node's.
  using Unused = std::function<void(ClientId arena)>;
  DeadArenas(NodeId self, Unused unused) : self_(self), unused_(std::move(unused)) {}

  // users: processes and standby owners of this node, and client_of(node, 0) for each other node.
  void keep(ClientId arena, Fd memory, std::set<ClientId> users) {
    arenas_[arena] = {std::move(memory), std::move(users)};
    drop_if_unused(arenas_.find(arena));
  }
  // For readers; -1: unknown.
  int memory_of(ClientId arena) const {
    const auto it = arenas_.find(arena);
    return it != arenas_.end() ? it->second.memory.get() : -1;
  }
  void unused(ClientId arena, ClientId user) {
    const auto it = arenas_.find(arena);
    if (it == arenas_.end()) return;
    it->second.users.erase(user);
    drop_if_unused(it);
  }
  // The user is gone.
  void drop_user(ClientId user) {
    for (auto it = arenas_.begin(); it != arenas_.end();) unused((it++)->first, user);
  }
  // Of the arenas that the other one uses.
  void add_user(ClientId user, ClientId where) {
    for (auto& [id, arena] : arenas_) {
      if (arena.users.contains(where)) arena.users.insert(user);
    }
  }
  void node_gone(NodeId node) {
    std::erase_if(arenas_, [&](const auto& arena) { return node_of(arena.first) == node; });
    drop_user(client_of(node, 0));
  }

 private:
  struct Arena {
    Fd memory;  // read-only; none: it is another node's
    std::set<ClientId> users;
  };

  void drop_if_unused(std::map<ClientId, Arena>::iterator it) {
    if (!it->second.users.empty()) return;
    const ClientId arena = it->first;
    arenas_.erase(it);
    if (node_of(arena) != self_) unused_(arena);
  }

  NodeId self_;
  Unused unused_;
  std::map<ClientId, Arena> arenas_;
};

}  // namespace manta::node
