// What owners and borrowers of objects say to each other. Delivered in order per pair of processes; a process' messages
// are delivered after the results of the tasks that it had finished before it sent them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include <manta/detail/entry.h>
#include <manta/ids.h>

#include "core/owner/cancellation.h"
#include "core/owner/value.h"

namespace manta::owner {

// After a client's death its node answers for its objects as their standby owner, under another id, standby_of(client).
// Messages to and about that id come from processes that knew of the death when they sent them (OWN-12, OWN-13).
inline constexpr std::uint64_t kStandbyBit = std::uint64_t{1} << (kNodeShift - 1);
constexpr bool is_standby(ClientId client) { return (client.value & kStandbyBit) != 0; }
constexpr ClientId standby_of(ClientId client) { return {client.value | kStandbyBit}; }
constexpr ClientId primary_of(ClientId standby) { return {standby.value & ~kStandbyBit}; }

// Borrower to owner: send me the value when it is there.
struct Fetch {
  ObjectId object;
};
// Owner to borrower. The receiver is counted as a borrower of the references inside already.
struct Fetched {
  ObjectId object;
  Value value;
  std::vector<detail::WireRef> contained;
};
// Borrower to owner: `client`, which may be the borrower itself, holds the object from now on.
struct AddBorrower {
  ObjectId object;
  ClientId client;
};
// Borrower to owner: I hold it no more; count: how often I had borrowed it.
struct RemoveBorrower {
  ObjectId object;
  std::int64_t count = 0;
};

// Borrower of an actor to its owner: tell me where it is, now and whenever that changes.
struct FindActor {
  ObjectId actor;
};
struct ActorAt {
  ObjectId actor;
  ClientId worker;
  std::int32_t restarts_left = 0;
  std::int32_t max_task_retries = 0;
  std::uint32_t max_concurrency = 1;
};
struct ActorGone {  // for good
  ObjectId actor;
  Value error;
};
struct KillActor {
  ObjectId actor;
  bool restart = false;
};

// Borrower to owner: cancel the task whose result it is.
struct CancelTask {
  ObjectId object;
  Cancellation how;
};

// From a dead client's node to a process that sent that client a Fetch or a FindActor.
struct OwnerDied {
  ClientId owner;
};
// From a process that knows of the owner's death to one that may not: the standby owner counts you as a borrower.
struct Passed {
  detail::WireRef ref;
};
// From a standby owner: the object or actor that you asked for ended with its owner.
struct NotReplicated {
  ObjectId object;
};

// Producer to reader, in order: items of the stream of the task, from the first on. Those with references inside, and
// those in the store, are objects, which come after the small ones. The receiver is counted as a borrower of references
// already.
struct StreamItems {
  struct Object {
    Value value;
    std::vector<detail::WireRef> contained;
  };
  ObjectId stream;
  std::uint16_t attempt = 0;
  std::uint64_t first = 0;
  std::vector<std::byte> small;  // see stream_items.h
  std::vector<Object> objects;
};
// Reader to producer: items below the limit may be made.
struct StreamCredit {
  ObjectId stream;
  std::uint64_t limit = 0;
};
struct StreamStop {  // reader to producer: no more items are read
  ObjectId stream;
};

// A process that has found the actor by its name to the owner: enter me in your books, if the actor does not end.
// Answered by Adopted.
struct AdoptActor {
  ObjectId actor;
  std::uint64_t request = 0;  // the sender's number of it
};
struct Adopted {
  std::uint64_t request = 0;
  bool alive = false;  // false: the name is free by now
};

using PeerMessage =
    std::variant<Fetch, Fetched, AddBorrower, RemoveBorrower, FindActor, ActorAt, ActorGone, KillActor, OwnerDied,
                 Passed, NotReplicated, CancelTask, StreamItems, StreamCredit, StreamStop, AdoptActor, Adopted>;

// An owner to its node: what its standby owner has to know of an object. The standby owner is counted as a borrower of
// the references inside that other processes own.
struct Replica {
  ObjectId object;
  Value value;
  std::vector<detail::WireRef> contained;
};

}  // namespace manta::owner
