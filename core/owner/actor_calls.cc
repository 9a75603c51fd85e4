#include "core/owner/actor_calls.h"

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"

namespace manta::owner {

namespace {

using State = Actor::State;

void enqueue(Entry& call, bool front) {
  call.phase = Phase::queued;
  call.actor->calls.insert(call, front);
}

}  // namespace

void ActorCalls::add(Actor& actor, Entry& call) {
  actor.calls.push_back(call);
  if (actor.open_calls++ == 0) objects_.hold(*actor.handle);
}

void ActorCalls::dispatch(Actor& actor) {
  if (actor.state != State::alive || actor.killed || actor.calls.front == nullptr) return;
  Entry& handle = *actor.handle;
  objects_.hold(handle);
  while (actor.state == State::alive && actor.link != nullptr && !actor.full && actor.calls.front != nullptr) {
    Entry& call = *actor.calls.front;
    if (call.phase != Phase::queued) break;  // its arguments are not there yet
    actor.calls.remove(call);
    call.phase = Phase::pushed;
    const Arguments arguments = call.ref_mask == 0 ? Arguments::present : context_.bring_arguments(call);
    if (arguments == Arguments::task_failed) continue;
    if (arguments == Arguments::awaited) {
      actor.calls.push_front(call);
      break;
    }
    actor.starved = arguments == Arguments::no_space;
    if (!actor.starved && actor.link->push(call)) {
      ++actor.in_flight;
      actor.starved_ticks = 0;
    } else {
      actor.full = true;
      enqueue(call, true);
    }
  }
  objects_.unhold(handle);
}

void ActorCalls::ended(Actor& actor) {
  if (--actor.open_calls == 0) objects_.unhold(*actor.handle);
}

void ActorCalls::taken_out(Entry& call) {
  const Error error = labels_.cancelled(call, "before it started");
  Actor& actor = *call.actor;
  Entry& handle = *actor.handle;
  objects_.hold(handle);
  --actor.in_flight;
  actor.full = false;
  context_.fail(call, error);
  dispatch(actor);
  objects_.unhold(handle);
}

ActorCalls::Recalled ActorCalls::recall(WorkerLink* link) {
  Recalled recalled;
  if (link == nullptr) return recalled;
  while (Entry* entry = link->take_back_last()) {
    if (entry->kind == Kind::call && cancelled(*entry)) recalled.started.push_back(entry);
    if (entry->kind == Kind::call && !cancelled(*entry)) enqueue(*entry, true);  // newest first: the order is kept
    if (entry->kind == Kind::actor) recalled.constructor_came_back = true;
  }
  while (Entry* entry = link->next_lost()) {
    if (entry->kind == Kind::call) recalled.started.push_back(entry);
  }
  return recalled;
}

std::vector<Entry*> ActorCalls::repeat(Actor& actor, const std::vector<Entry*>& started, bool starts_again,
                                       const std::string& status) {
  std::vector<Entry*> lost;
  for (auto it = started.rbegin(); it != started.rend(); ++it) {
    Entry& call = **it;
    const bool retry = starts_again && !cancelled(call) &&
                       (actor.limits.max_task_retries < 0 || call.attempt < actor.limits.max_task_retries);
    if (retry) {
      ++call.attempt;
      effects_.tried_again(labels_.label_of(call), call.attempt + 1u,
                           about_end("the actor's process ", first_line(status)));
      enqueue(call, !planted_bug(11));
    } else {
      call.phase = Phase::here;  // in no queue and no ring
      lost.push_back(&call);
    }
  }
  return lost;
}

void ActorCalls::fail_lost(const std::vector<Entry*>& lost, const Actor& actor, const std::string& status) {
  for (Entry* call : lost) {
    context_.fail(*call,
                  cancelled(*call) ? labels_.cancelled(*call, "while it was called") : lost_call(*call, actor, status));
  }
}

void ActorCalls::fail_queued(Actor& actor) {
  while (actor.calls.front != nullptr) context_.fail(*actor.calls.front, Error(actor.error));
}

Error ActorCalls::lost_call(const Entry& call, const Actor& actor, const std::string& status) const {
  const std::string before = labels_.label_of(call) + ": the actor's process ";
  const bool ended = actor.state == State::dead || (actor.restarts_left == 0 && actor.state != State::pending);
  if (ended) return Error(ErrorCode::actor_died, about_end(before, status, " while the call ran"));
  return Error(ErrorCode::unavailable,
               about_end(before, status,
                         " while the call ran; the actor starts again: call once more if that does no "
                         "harm, or let calls be repeated with ActorOptions::max_task_retries"));
}

}  // namespace manta::owner
