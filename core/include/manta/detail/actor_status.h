// Where an actor is in its life, as the process that made it knows. For Manta's libraries: not for programs.
#pragma once

#include <cstdint>
#include <string>

#include <manta/actor.h>

namespace manta::detail {

struct ActorStatus {
  enum class State : std::uint8_t {
    starting,  // waits for a process, or its constructor runs
    alive,     // its constructor has succeeded
    dead,      // for good
  };
  State state = State::starting;
  std::uint32_t restarts = 0;  // so far
  std::string reason;          // dead: why; else how its last process ended, where one has
};

// Costs one lock, and no message. with_reason: whether `reason` is wanted.
//
// Threading: any. Errors: throws Error: unavailable without a runtime, or where the node process is gone.
ActorStatus actor_status(EntryHead* actor, bool with_reason);

template <class T>
ActorStatus status_of(const Actor<T>& actor, bool with_reason) {
  return actor_status(&actor.entry(), with_reason);
}

}  // namespace manta::detail
