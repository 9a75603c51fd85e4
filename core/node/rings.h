// The rings between processes of this node: one for each submitter and worker, made when the first lease is granted, or
// when a process calls an actor, and kept for later leases of the pair.
//
// Threading: the loop's. Ownership: the memory belongs to the two processes; connections must outlive it.
#pragma once

#include <set>
#include <utility>

#include <manta/error.h>

#include "core/node/connections.h"

namespace manta::node {

class Rings {
 public:
  explicit Rings(Connections& connections) : connections_(connections) {}

  // Completes the message and sends it to the submitter, with a new ring if the pair has none. The worker gets its end
  // first.
  [[nodiscard]] Result<void> grant(Connection& submitter, Connection& worker, net::Granted granted);
  // A ring to the actor that the worker hosts. If there is a ring already, or no such worker, the answer has none.
  void open_to_actor(Connection& caller, ClientId worker);
  void close(ClientId submitter, ClientId worker);
  void process_gone(ClientId client);

 private:
  [[nodiscard]] Result<Fd> make(Connection& submitter, Connection& worker);

  Connections& connections_;
  std::set<std::pair<ClientId, ClientId>> rings_;  // (submitter, worker)
};

}  // namespace manta::node
