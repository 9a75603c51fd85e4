// The standby owners of a node's clients, living and dead (see standby_owner.h). Sans-I/O.
//
// After a client's death its standby owner answers for its objects, as an owner does. References that were in transit
// at the death are covered until each process has confirmed twice that it handled all earlier messages.
//
//   STANDBY-3  every request to a dead client, or to its standby owner, is answered, whatever was replicated
//   STANDBY-4  an open standby owner without objects is gone
//
// Threading: one thread; effects may call receive(), which is then acted on later. Ownership: owns the standby owners;
// effects must outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/owner/standby_owner.h"

namespace manta::owner {

class StandbyEffects : public StandbyOwnerEffects {
 public:
  // Asks all processes whether they have acted on what was sent before; answered by StandbyOwners::settled().
  virtual void ask_all(ClientId standby, std::uint32_t round) = 0;
  // The standby owner is gone.
  virtual void standby_closed(ClientId standby) = 0;
};

class StandbyOwners {
 public:
  explicit StandbyOwners(StandbyEffects& effects);
  ~StandbyOwners();

  // From a living client.
  void replicate(ClientId owner, std::vector<Replica> replicas);
  void withdraw(ClientId owner, const std::vector<ObjectId>& objects);
  // A client of this node died, and all that it sent was delivered. Before its death is announced.
  void open(ClientId owner, const std::string& status);
  // The announcement of the death, also of that in open(), is on its way to all others.
  void announced(ClientId owner);
  // All processes have answered the question of this round, or are dead.
  void settled(ClientId standby, std::uint32_t round);
  // Of any node, this one too.
  void client_died(ClientId client, const std::string& status);
  void node_died(NodeId node, const std::string& status);
  // To a client of this node that is dead, or to its standby owner.
  void receive(ClientId from, ClientId to, PeerMessage message);

  bool has_standby(ClientId owner) const { return standbys_.contains(standby_of(owner)); }
  std::vector<ClientId> standbys() const;  // all of them, also of the living
  std::string why_open() const;            // what holds an object of the dead, or ""
  // First broken invariant, or "".
  std::string check_invariants() const;

 private:
  struct Standby;
  struct Letter {
    ClientId from, to;
    PeerMessage message;
  };
  // While one is alive, letters wait, and no standby owner goes away.
  class Busy;
  Standby* find(ClientId standby) const;
  void handle(const Letter& letter);
  void answer_for_nobody(const Letter& letter);
  void close_empty();
  bool is_dead(ClientId client) const { return dead_.contains(client) || dead_nodes_.contains(node_of(client)); }

  StandbyEffects& effects_;
  std::map<ClientId, std::unique_ptr<Standby>> standbys_;
  std::set<ClientId> dead_;  // a standby owner may be younger than a death; looked up, never walked
  std::set<NodeId> dead_nodes_;
  std::deque<Letter> letters_;
  std::set<ClientId> touched_;  // open ones, that may be empty now
  bool busy_ = false;
};

}  // namespace manta::owner
