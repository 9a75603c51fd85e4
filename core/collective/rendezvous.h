// How the members of a group in shared memory find each other.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include <manta/collective.h>
#include <manta/error.h>

#include "core/collective/shared_block.h"

namespace manta::collective {

// What makes it impossible that all come. Empty: they may.
using Check = std::function<std::optional<Error>()>;
inline std::optional<Error> no_check() { return {}; }

// Rank 0 makes the memory and hands it out. Blocks until this rank has it, rank 0 until all have; asks `check` about
// every 10 ms meanwhile. Throws Error: deadline, unavailable, invalid_argument, and what check returns.
std::unique_ptr<SharedBlock> meet_at(const Rendezvous& rendezvous, const Check& check);

}  // namespace manta::collective
