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

// A process dies: what it owned may be on its way from one machine to another, where its heir does not learn of it before
// all seems settled. (Between real machines all goes by way of one, in order.)
void doubt_what_travels_far(World& world, ClientId dead);

// A message went down with a machine, or came from one that counts as dead.
void doubt_what_was_lost(World& world, const Message& message);

}  // namespace manta::sim
