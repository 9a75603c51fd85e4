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

using PeerMessage = std::variant<Fetch, Fetched, Lent, GivenBack>;

}  // namespace manta::owner
