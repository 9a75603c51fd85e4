// How the bytes of an object come from another node to a process of this one. LinkMover uses the link between the
// nodes, which is always there. A faster way (UCX, CUDA IPC) is one more class.
#pragma once

#include <cstdint>
#include <string>

#include <manta/ids.h>

#include "core/owner/location.h"

namespace manta::node {

// Of one Mover. Called on the loop, from within the Mover's functions or later.
class MoverEffects {
 public:
  virtual ~MoverEffects() = default;
  // A descriptor of the arena of a client of this node, dead ones included, for readers; -1: unknown.
  virtual int arena(ClientId client) const = 0;
  // The answer to pull. memory: the block's bytes, of its size, valid during the call; -1: it is lost, and why.
  virtual void pulled(ClientId client, std::uint64_t id, const std::string& why, int memory) = 0;
};

// Threading: the daemon's loop; nothing here blocks. Ownership: of what is under way.
//
//   PULL-1  every pull is answered once: with the whole block, or with why it is lost
//   PULL-3  the block is held by its reader's reference at the owner, not here
class Mover {
 public:
  virtual ~Mover() = default;
  // A client of this node wants the block, which lies on another node; id: its own.
  virtual void pull(ClientId client, std::uint64_t id, const owner::StoredLocation& location) = 0;
  // Its pulls are answered, in vain.
  virtual void client_left(ClientId client) = 0;
  // What lies there is lost, now and later. status: what happened to the node, for people.
  virtual void node_left(NodeId node, const std::string& status) = 0;
};

}  // namespace manta::node
