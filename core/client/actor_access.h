// Actors as the program reaches them: by a handle, by a name, by an id.
//
// Threading: public methods from any thread, without the owner's mutex; find() and give_name() wait for the node and
// for the actor's owner. What the reading thread calls says so. Ownership: what it is made with must outlive it.
#pragma once

#include <cstdint>
#include <string>

#include <manta/detail/actor_status.h>

#include "core/client/adoptions.h"
#include "core/client/answers.h"
#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/to_node.h"

namespace manta::client {

class ActorAccess {
 public:
  ActorAccess(ProcessState& state, ToNode& node, Results& results) : state_(state), node_(node), results_(results) {}

  void kill(owner::Entry& actor, bool restart);
  detail::ActorStatus status(const owner::Entry& actor, bool with_reason);
  // Held; null: it has ended.
  owner::Entry* lock(const ObjectId& id);
  // Null: there is none.
  owner::Entry* find(const std::string& name, const std::string& type);
  // See SubmitContext::name_actor.
  owner::Entry* give_name(owner::Entry& actor, const std::string& name, const std::string& type, bool get_if_exists);

  // --- the reading thread
  void answered(const net::Named& answer);
  void answered(const owner::Adopted& answer);
  // With the owner's mutex: owners that are dead do not answer.
  void client_died(ClientId owner) MANTA_REQUIRES(owner_mutex);
  void node_died(NodeId node) MANTA_REQUIRES(owner_mutex);
  // The node is gone.
  void connection_ended() { changed_.notify_all(); }

 private:
  net::Named ask(const net::ClientMessage& question, std::uint64_t request) MANTA_REQUIRES(owner_mutex);
  owner::Entry* adopt(const net::Named& named, const std::string& name, const std::string& type);

  ProcessState& state_;
  ToNode& node_;
  Results& results_;
  Answers<net::Named> names_ MANTA_GUARDED_BY(owner_mutex);
  Adoptions adoptions_ MANTA_GUARDED_BY(owner_mutex);
  CondVar changed_;  // of the two
};

}  // namespace manta::client
