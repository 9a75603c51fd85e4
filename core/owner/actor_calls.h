// The calls of actors: queued in order, pushed into the worker's ring, repeated or failed when its process dies.
//
//   OWN-10  calls of one process to one actor start in the order in which they were made; a call that had started when
//           the actor's process died starts again at most max_task_retries times
//
// Threading: none of its own (the owner's lock). Ownership: all references must outlive it; actors are the caller's.
#pragma once

#include <string>
#include <vector>

#include "core/owner/actor.h"
#include "core/owner/labels.h"
#include "core/owner/objects.h"
#include "core/owner/task_types.h"
#include "core/owner/worker_link.h"

namespace manta::owner {

class ActorCallEffects {
 public:
  virtual ~ActorCallEffects() = default;
  virtual void tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) = 0;
};

// What ActorCalls needs of the other parts.
class ActorCallContext {
 public:
  virtual ~ActorCallContext() = default;
  virtual void fail(Entry& entry, const Error& error) = 0;
  virtual Arguments bring_arguments(Entry& task) = 0;
};

class ActorCalls {
 public:
  ActorCalls(Objects& objects, const Labels& labels, ActorCallEffects& effects, ActorCallContext& context)
      : objects_(objects), labels_(labels), effects_(effects), context_(context) {}

  // The call has its place in the actor's queue from now on, whether its arguments are there or not.
  void add(Actor& actor, Entry& call);
  // Pushes what may be pushed. May free the actor, as its last call may fail here: an argument that was spilled cannot
  // be read.
  void dispatch(Actor& actor);
  // A call of the actor was resolved. May free the actor.
  void ended(Actor& actor);
  // A pushed call has not started, its link has given it up, and it is cancelled. May free the actor.
  void taken_out(Entry& call);

  // The actor's process is gone: what its ring held. Calls that had not started are queued again.
  struct Recalled {
    std::vector<Entry*> started;  // newest first
    bool constructor_came_back = false;
  };
  static Recalled recall(WorkerLink* link);
  // Queues the calls that had started and may start again; returns the others, which are in no queue.
  std::vector<Entry*> repeat(Actor& actor, const std::vector<Entry*>& started, bool starts_again,
                             const std::string& status);
  void fail_lost(const std::vector<Entry*>& lost, const Actor& actor, const std::string& status);
  // Fails all that wait, as the actor has ended. May free the actor, unless the caller holds it.
  void fail_queued(Actor& actor);

 private:
  Error lost_call(const Entry& call, const Actor& actor, const std::string& status) const;

  Objects& objects_;
  const Labels& labels_;
  ActorCallEffects& effects_;
  ActorCallContext& context_;
};

}  // namespace manta::owner
