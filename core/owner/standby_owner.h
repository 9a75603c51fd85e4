// The standby owner of one client: it stores replicated metadata while the client lives, and answers for the client's
// objects after its death. Sans-I/O.
//
//   STANDBY-1  while a client lives, its standby owner frees none of its objects and answers for none
//   STANDBY-2  replicated objects are freed when, and not before, the failover is settled and no borrower is left
//
// Threading: none of its own. Ownership: owns its entries; effects must outlive it.
#pragma once

#include <string>

#include "core/owner/borrowing.h"
#include "core/owner/objects.h"

namespace manta::owner {

class StandbyOwnerEffects {
 public:
  virtual ~StandbyOwnerEffects() = default;
  virtual void send_as(ClientId from, ClientId to, PeerMessage message) = 0;
  // A block in the arena of a client that lives, or in a dead one's, which goes with its arena.
  virtual void free_block(const StoredLocation& location) = 0;
  // The arena's process is dead, and this standby owner knows of nothing in it.
  virtual void arena_unused(ClientId arena, ClientId standby) = 0;
};

class StandbyOwner final : BlockEffects, ObjectEvents, BorrowingEffects, BorrowingContext {
 public:
  StandbyOwner(ClientId primary, StandbyOwnerEffects& effects);

  ClientId id() const { return objects_.self(); }
  // The client is dead.
  bool open() const { return open_; }
  const EntryTable& table() const { return objects_.table(); }
  std::string check_invariants() const { return objects_.check_invariants(); }

  // --- while the client lives
  void store(Replica replica);
  void withdraw(const ObjectId& object);

  // --- from its death on
  // What was not replicated is lost.
  void begin_failover(const std::string& status);
  // All borrowers have registered: objects without a borrower are freed.
  void settle_failover();
  void receive(ClientId from, const PeerMessage& message);

  void client_died(ClientId client, const std::string& status);
  void node_died(NodeId node, const std::string& status);
  // The owner is dead: its own standby owner stands for it.
  void fail_over(ClientId owner) { borrowing_.fail_over(owner); }

 private:
  // --- BlockEffects
  void free(const Location& location) override;
  void unused(const StoredLocation&) override {}  // it maps no arena
  void arena_unused(ClientId arena) override { effects_.arena_unused(arena, id()); }
  // --- ObjectEvents; it has no tasks, so nothing depends on its objects
  void freeing(Entry&) override {}
  void released(Entry& entry) override { borrowing_.give_back(entry); }
  void resolved(Entry& entry) override;
  void value_leaves(Entry&) override {}
  void arguments_ready(Entry&) override {}
  void argument_failed(Entry&, const Error&) override {}
  // --- BorrowingEffects
  void send(ClientId to, PeerMessage message) override { effects_.send_as(id(), to, std::move(message)); }
  bool restore(Entry&) override { return false; }
  // --- BorrowingContext; nothing is replicated any further
  void want(Entry&) override {}
  void fail(Entry& entry, const Error& error) override { objects_.resolve(entry, Value::of(error)); }
  void shared(Entry&) override {}
  void begin_sharing() override {}
  void end_sharing() override {}
  Error no_space(const std::string& what) override { return Error(ErrorCode::internal, what + " was spilled"); }

  Entry& find_or_make(const ObjectId& object);

  ClientId primary_;
  StandbyOwnerEffects& effects_;
  bool open_ = false;
  Deaths deaths_;
  Objects objects_;
  Borrowing borrowing_;
};

}  // namespace manta::owner
