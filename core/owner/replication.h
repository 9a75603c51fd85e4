// What an owner tells its standby owner: the value of each object that another process may hold, and the references
// inside.
//
//   OWN-12 an object that another process may hold, and all inside it that is owned here, is replicated to the standby
//          owner before that process sees the reference, or once the value is there; spilled values excepted
//
// Threading: none of its own (the owner's lock).
#pragma once

#include <cstdint>
#include <vector>

#include "core/owner/entry.h"
#include "core/owner/messages.h"

namespace manta::owner {

class ReplicationEffects {
 public:
  virtual ~ReplicationEffects() = default;
  // To the standby owner, in order; before anything else is sent or freed.
  virtual void replicate(std::vector<Replica> replicas) = 0;
  virtual void withdraw(std::vector<ObjectId> objects) = 0;
};

// What Replication needs of the other parts.
class ReplicationContext {
 public:
  virtual ~ReplicationContext() = default;
  virtual detail::WireRef export_ref(Entry& entry) = 0;
  virtual void add_borrower(Entry& entry, ClientId to) = 0;
};

class Replication {
 public:
  Replication(ClientId self, ReplicationEffects& effects, ReplicationContext& context)
      : self_(self), effects_(effects), context_(context) {}

  // Another process may hold the object from now on.
  void shared(Entry& entry);
  // Between the two, replicas are collected; after the second they are sent. May be nested.
  void begin() { ++batching_; }
  void end() {
    --batching_;
    send();
  }
  // The value is no longer what the standby owner has. The withdrawal may wait for others.
  void revoke(Entry& entry);
  void flush_withdrawals();

 private:
  void send();

  ClientId self_;
  ReplicationEffects& effects_;
  ReplicationContext& context_;
  std::vector<Replica> replicas_;      // for when batching_ ends
  std::vector<ObjectId> withdrawals_;  // the same, in no hurry
  std::uint32_t batching_ = 0;
};

}  // namespace manta::owner
