// Which references nobody vouches for any more, when a process dies that should have told their owner.
#pragma once

#include "core/testing/sim_messages.h"
#include "core/testing/sim_oracle.h"
#include "core/testing/sim_ring.h"

namespace manta::sim {

class SimProcess;
struct World;

// `holder` holds the object, but its owner may not know (any more): whatever it passed on by now is as doubtful.
void doubt(World& world, ClientId holder, const ObjectKey& key);

// A submitter dies: it covered the arguments of its running tasks, and had yet to announce what finished ones kept.
void doubt_what_it_covered(World& world, const SimProcess& dead);

// A message went down with a machine, or came from one that counts as dead.
void doubt_what_was_lost(World& world, const Message& message);

}  // namespace manta::sim
