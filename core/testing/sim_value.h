// What the simulated programs compute: values that name the run that made them, and carry references.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/owner/value.h"

#include <manta/detail/runtime_api.h>

namespace manta::sim {

// Content of every value: the run of a task (see Oracle) that produced it, the object, and the references inside.
struct Payload {
  std::uint64_t run = 0;
  ObjectId object;
  std::vector<detail::WireRef> refs;
};

// The cluster's memory for large values. Blocks outlive their writers, as the daemon adopts a dead client's arena.
class SimStore {
 public:
  owner::StoredLocation write(ClientId arena, std::vector<std::byte> bytes);
  // Empty if there is no such block (any more).
  const std::vector<std::byte>* read(const owner::StoredLocation& location) const;
  bool free(const owner::StoredLocation& location);  // false: freed before
  // From here on `owner` has to free the block: its value is in the owner's table, or on the way to it.
  void hand_over(const owner::StoredLocation& location, ClientId owner);
  // The owner died: its blocks stay readable (its arena does), and no process has to free them.
  void forget_owner(ClientId owner);
  std::vector<ClientId> left() const;  // for each block, the client that has to free it

 private:
  struct Block {
    std::vector<std::byte> bytes;
    ClientId owner;
  };
  std::map<std::uint64_t, Block> blocks_;
  std::uint64_t next_ = 0;
};

// Inline, on the heap or, if `arena` is given, in the store.
owner::Value encode(const Payload& payload, SimStore& store, ClientId arena);
// False: not such a value, or its block is gone.
bool decode(const owner::Value& value, const SimStore& store, Payload& payload);

}  // namespace manta::sim
