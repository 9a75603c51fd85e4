// What may leave the store for the spill file, and what must come back. The edge does the I/O.
//
//   OWN-9  a value goes to the spill file only while no other process and no view in this one may read its block: no
//          process has borrowed it, and no task that may run has it among its arguments, or a level deeper
//
// Threading: none of its own (the owner's lock). Ownership: all references must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/owner/objects.h"
#include "core/owner/task_types.h"

namespace manta::owner {

class SpillEffects {
 public:
  virtual ~SpillEffects() = default;
  // As BlockEffects::free.
  virtual void free(const Location& location) = 0;
  // As BorrowingEffects::restore.
  virtual bool restore(Entry& entry) = 0;
  // Why values cannot be spilled at present: "objects cannot be spilled to /tmp: ..."; empty: they can.
  virtual std::string not_spilled() const = 0;
};

// What Spilling needs of the other parts.
class SpillContext {
 public:
  virtual ~SpillContext() = default;
  virtual void want(Entry& entry) = 0;
  virtual void fail(Entry& entry, const Error& error) = 0;
  virtual bool await_references(Entry& task) = 0;
  // The value goes to the spill file: its replica is withdrawn at once.
  virtual void leaves_memory(Entry& entry) = 0;
  virtual void in_memory(Entry& entry) = 0;
};

class Spilling {
 public:
  Spilling(Objects& objects, SpillEffects& effects, SpillContext& context)
      : objects_(objects), effects_(effects), context_(context) {}

  // Entries whose values can be spilled (OWN-9), used longest ago first, until they have so many bytes together; all
  // there are if they have less. is_read: whether this process has a view of the block.
  std::vector<Entry*> spillable(std::uint64_t bytes, const std::function<bool(const StoredLocation&)>& is_read) const;
  // The value's bytes lie in the extent now: frees the block.
  void spilled(Entry& entry, const SpilledExtent& extent);
  // They lie in a block again: frees the extent.
  void restored(Entry& entry, const StoredLocation& location);
  // They cannot be read back.
  void unreadable(Entry& entry, Error error);
  // Of a task that is about to be pushed: its lease does not count it yet.
  Arguments bring_arguments(Entry& task);
  // "... was spilled, and there is no space ..."
  Error no_space(const std::string& what) const;

 private:
  Objects& objects_;
  SpillEffects& effects_;
  SpillContext& context_;
};

}  // namespace manta::owner
