// Where an actor is in its life, as the process that made it knows, and what messages call it. For Manta's libraries:
// not for programs.
#pragma once

#include <cstdint>
#include <string>

#include <manta/detail/entry.h>

namespace manta {
template <class T>
class Actor;
}

namespace manta::detail {

struct ActorStatus {
  enum class State : std::uint8_t {
    starting,  // waits for a process, or its constructor runs
    alive,     // its constructor has succeeded
    dead,      // for good
  };
  State state = State::starting;
  bool has_process = false;    // in which its constructor runs, or has run
  std::uint32_t restarts = 0;  // so far
  std::string reason;          // dead: why; else how its last process ended, where one has
};

// Costs one lock, and no message. with_reason: whether to fill in `reason`.
//
// Threading: any. Errors: throws Error: unavailable without a runtime, or where the node process is gone.
ActorStatus actor_status(EntryHead* actor, bool with_reason);

// What messages about waits and failures call this actor, or the result of this task or call, instead of "actor CLASS":
// "replica of deployment 'digits'". For entries that this process made. One lock, no message.
//
// Threading: any. Errors: throws Error(unavailable) without a runtime.
void set_label(EntryHead& entry, std::string label);

template <class T>
ActorStatus status_of(const Actor<T>& actor, bool with_reason) {
  return actor_status(&actor.entry(), with_reason);
}

}  // namespace manta::detail
