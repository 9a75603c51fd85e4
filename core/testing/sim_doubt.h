// Marks references as unsure when a process dies that had yet to tell their owner of them.
#pragma once

#include "core/testing/sim_messages.h"
#include "core/testing/sim_oracle.h"
#include "core/testing/sim_ring.h"

namespace manta::sim {

class SimProcess;
struct World;

// `holder` holds the object, but the owner may not know that: the references that it has passed on are unsure too.
void doubt(World& world, ClientId holder, const ObjectKey& key);

// A submitter dies. It covered the arguments of running tasks, and had yet to announce what finished tasks kept.
void doubt_what_it_covered(World& world, const SimProcess& dead);

// A process dies. References to its objects may be in flight between two machines, inside values: its standby owner may
// hear of them too late. (Between real machines all messages go through one, in order.)
void doubt_what_travels_far(World& world, ClientId dead);

// A message was lost with a machine, or came from a machine that counts as dead.
void doubt_what_was_lost(World& world, const Message& message);

}  // namespace manta::sim
