// The objects that a process knows, and the references that keep them.
//
//   OWN-3  an entry is freed when, and not before, no Ref, no queued or running task, no value that contains it and no
//          borrower is left
//   OWN-7  refs may fall to 0 outside the lock while an import finds the entry and holds it again; `late_releases`
//          counts the release_last calls that are still to come for such an entry
//   OWN-8  while an entry of this process has its value in another process' arena, that memory is kept, even after the
//          other's death; arena_unused() reports when it is no longer needed
//
// Threading: none of its own (the owner's lock). Ownership: owns its entries; all references must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/owner/deaths.h"
#include "core/owner/entry.h"
#include "core/owner/entry_table.h"
#include "core/owner/messages.h"

namespace manta::owner {

// Memory in which values lie.
class BlockEffects {
 public:
  virtual ~BlockEffects() = default;
  // Nothing refers to what is there any more.
  virtual void free(const Location& location) = 0;
  // No entry says any more that its value lies there, in another process' arena.
  virtual void unused(const StoredLocation& location) = 0;
  // The client is dead, and no value that is known here lies in its arena.
  virtual void arena_unused(ClientId client) = 0;
};

// What the life of an entry means to the other parts of its owner.
class ObjectEvents {
 public:
  virtual ~ObjectEvents() = default;
  // The last reference is gone. The entry is still whole.
  virtual void freeing(Entry& entry) = 0;
  // A borrowed entry is about to go.
  virtual void released(Entry& entry) = 0;
  // The value, or an error, is there. Called for entries that are watched, or have an EntryExtra.
  virtual void resolved(Entry& entry) = 0;
  // The value is about to move or to go: its replica is out of date.
  virtual void value_leaves(Entry& entry) = 0;
  // All references among the task's arguments are resolved, none of them failed.
  virtual void arguments_ready(Entry& task) = 0;
  // One of them has failed.
  virtual void argument_failed(Entry& task, const Error& error) = 0;
};

class Objects {
 public:
  Objects(ClientId self, const Deaths& deaths, BlockEffects& effects, ObjectEvents& events)
      : self_(self), deaths_(deaths), effects_(effects), events_(events) {}

  ClientId self() const { return self_; }
  EntryTable& table() { return table_; }
  const EntryTable& table() const { return table_; }

  // An owned entry, not resolved, with `refs` references for the caller.
  Entry& make(const ObjectId& id, std::uint32_t refs);
  // A resolved one, with one reference for the caller; one hold of each of `contained` passes to it.
  Entry* put(ObjectId id, Value value, std::vector<Entry*> contained);

  void hold(Entry& entry);
  void unhold(Entry& entry) {
    if (entry.refs.fetch_sub(1, std::memory_order_acq_rel) == 1) release_last(entry);
  }
  // The list is emptied before the first entry goes.
  void drop_holds(std::vector<Entry*>& held);
  // refs of the entry fell to 0 (see OWN-7).
  void release_last(Entry& entry);

  // Makes the entry findable by its id. A task that runs again in this process gives its children the names of the
  // first run. If a child of that run is still known, the new one takes another name: no other process knows it yet.
  void make_findable(Entry& entry);
  // Gives the entry its value or error. Its dependents, and all processes and threads that wait for it, go on.
  void resolve(Entry& entry, Value value);
  void free_value(Value& value) {
    if (value.kind() == Value::Kind::stored) effects_.free(value.location());
    value = Value();
  }
  // An entry's value begins (1) or ends (-1) to be the given one (OWN-8).
  void count_stored(const Value& value, int change) {
    if (value.in_arena() && value.arena() != self_) count_elsewhere(value.stored(), change);
  }
  // The value is being read: it is spilled later than others.
  void used(Entry& entry) {
    if (entry.owned && entry.phase == Phase::resolved) entry.position = ++uses_;
  }
  // For how many uses of others the value has not been used.
  std::uint32_t age(const Entry& entry) const { return uses_ - entry.position; }  // right when the count wraps

  void client_died(ClientId client) {
    if (!stored_in_.contains(client)) effects_.arena_unused(client);
  }
  // Values that lay on the node: made again by OWN-11, asked for again, or lost.
  void lose_values(NodeId node, const std::string& status);
  // First broken invariant, or "".
  std::string check_invariants() const;

 private:
  void count_elsewhere(const StoredLocation& location, int change);
  void free_entry(Entry& entry);
  void lose_value(Entry& entry, const std::string& status);

  ClientId self_;
  const Deaths& deaths_;
  BlockEffects& effects_;
  ObjectEvents& events_;
  EntryTable table_;
  std::map<ClientId, std::uint64_t> stored_in_;  // values of resolved entries by arena, our own excepted; never walked
  std::uint32_t uses_ = 0;
  // Work lists instead of recursion: chains of results and of nested values may be long.
  std::vector<Entry*> to_propagate_;
  bool propagating_ = false;
  std::vector<Entry*> to_free_;
  bool freeing_ = false;
};

}  // namespace manta::owner
