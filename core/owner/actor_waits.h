// What an actor, or a call of it, waits for.
#pragma once

#include <vector>

#include "core/owner/actor.h"
#include "core/owner/labels.h"
#include "core/owner/task_types.h"
#include "core/owner/unmet.h"

namespace manta::owner {

// The call or constructor whose spilled arguments find no space; null: there is none.
const Entry* starved(const Actor& actor);
// The actor's demand, if it is not met.
void add_unmet(const Actor& actor, std::vector<Unmet>& all);
// Of a call, or a handle.
Obstacle obstacle_of_actor(const Entry& entry, const Labels& labels);

}  // namespace manta::owner
