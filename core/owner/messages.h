// What owners and borrowers of objects say to each other. Delivered in order per pair of processes; a process' messages
// are delivered after the results of the tasks that it had finished before it sent them.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include <manta/detail/runtime_api.h>
#include <manta/ids.h>

#include "core/owner/value.h"

namespace manta::owner {

// Borrower to owner: send me the value when it is there.
struct Fetch {
  ObjectId object;
};
// Owner to borrower. The references inside are lent to the receiver already.
struct Fetched {
  ObjectId object;
  Value value;
  std::vector<detail::WireRef> contained;
};
// Anybody who holds the object to its owner: `client` holds it from now on.
struct Lent {
  ObjectId object;
  ClientId client;
};
// Borrower to owner: I hold it no more; count: how often it had been lent to me.
struct GivenBack {
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

using PeerMessage = std::variant<Fetch, Fetched, Lent, GivenBack, FindActor, ActorAt, ActorGone, KillActor>;

}  // namespace manta::owner
