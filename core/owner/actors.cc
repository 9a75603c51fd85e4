// Actors: made on a worker of their own, called in order, started again, ended with their last handle.
#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"
#include "core/owner/owner.h"

namespace manta::owner {

using State = Actor::State;

// --- from the program

Entry* Owner::create_actor(NewActor made) {
  auto actor = std::make_unique<Actor>();
  Actor& added = *actor;
  added.index = next_actor_++;
  added.owned = true;
  added.state = State::pending;
  added.limits = made.limits;
  added.restarts_left = made.limits.max_restarts;
  added.request = std::move(made.request);
  added.where = made.where;
  added.name = std::move(made.name);
  added.held_back = made.held_back;
  added.backoff = detail::RestartBackoff(config_.restarts);
  actors_.emplace(added.index, std::move(actor));
  return launch(std::move(made.constructor), Kind::actor, &added);
}

void Owner::start_actor(Entry& handle) {
  handle.actor->held_back = false;
  if (handle.phase == Phase::actor) demand_worker(*handle.actor);
}

Entry* Owner::call(Entry& handle, NewTask task) {
  Actor& actor = known_actor(handle);
  Entry* entry = launch(std::move(task), Kind::call, &actor);
  if (actor.state == State::dead && entry->phase != Phase::resolved) {
    handle.seen = true;  // the call has the error
    fail(*entry, Error(actor.error));
  }
  return entry;
}

Entry* Owner::adopt_actor(const ObjectId& id) {
  Entry* entry = table_.find(id);
  if (entry == nullptr || !entry->owned || entry->kind != Kind::actor || entry->actor->state == State::dead)
    return nullptr;
  hold(*entry);  // also where its last handle has gone outside of the lock (OWN-7)
  return entry;
}

void Owner::kill_actor(Entry& handle, bool restart) {
  Actor& actor = known_actor(handle);
  if (actor.state == State::dead) return;
  if (!actor.owned) return effects_.send(handle.owner, KillActor{handle.id, restart});
  // What had started then fails when the process is gone.
  if (actor.lease && !actor.killed) {
    effects_.kill_worker(actor.lease);
    actor.killed = true;
  }
  if (!restart) actor_dead(actor, Error(ErrorCode::actor_died, label_of(handle) + " was ended by manta::kill"));
}

// A borrowed actor becomes known as such when it is first called.
Actor& Owner::known_actor(Entry& handle) {
  if (handle.kind == Kind::actor) return *handle.actor;
  auto made = std::make_unique<Actor>();
  Actor& actor = *made;
  actor.index = next_actor_++;
  actor.handle = &handle;
  handle.kind = Kind::actor;
  handle.actor = &actor;
  actors_.emplace(actor.index, std::move(made));
  if (handle.phase == Phase::resolved || is_dead(handle.owner) ||
      is_standby(handle.owner)) {  // standby owners have no actors
    actor.state = State::dead;
    actor.error = lost_with_owner(handle, "has ended");
  } else {
    effects_.send(handle.owner, FindActor{handle.id});
  }
  return actor;
}

sched::Where Owner::where_of(DemandIndex index) const {
  if (index < shapes_.size()) return shapes_[index]->where;
  const auto it = actors_.find(index);
  return it == actors_.end() ? sched::Where{} : it->second->where;
}

Actor* Owner::find_actor(DemandIndex index) {
  const auto it = actors_.find(index);
  return it == actors_.end() ? nullptr : it->second.get();
}

// --- its worker

void Owner::demand_worker(Actor& actor) {
  if (actor.held_back || actor.demanded || actor.starts_at || actor.state != State::pending) return;
  actor.demanded = true;
  effects_.set_demand(actor.index, actor.request, 1);
}

void Owner::withdraw(Actor& actor) {
  if (std::exchange(actor.demanded, false)) effects_.set_demand(actor.index, actor.request, 0);
}

void Owner::start_if_due(Actor& actor) {
  if (!actor.starts_at || effects_.now() < *actor.starts_at) return;
  actor.starts_at.reset();
  demand_worker(actor);
}

void Owner::actor_granted(DemandIndex index, LeaseId lease, ClientId worker, WorkerLink& link) {
  Actor* actor = find_actor(index);
  if (actor == nullptr || actor->state != State::pending || !actor->demanded) return effects_.return_lease(lease);
  actor->demanded = false;  // the node ends the demand when the lease ends (SCHED-9)
  actor->lease = lease;
  actor->worker = worker;
  actor->link = &link;
  actor->state = State::starting;
  actor->pushed = false;
  actor->constructing = true;
  hold(*actor->handle);
  construct(*actor);
}

void Owner::construct(Actor& actor) {
  Entry& handle = *actor.handle;
  if (actor.pushed || handle.phase == Phase::waiting) return;  // for arguments that are made again
  const Arguments arguments = handle.ref_mask == 0 ? Arguments::present : restore_arguments(handle);
  if (arguments == Arguments::task_failed) {
    give_back_worker(actor);
    actor.constructing = false;
    return unhold(handle);
  }
  actor.starved = arguments == Arguments::no_space;
  actor.pushed = arguments == Arguments::present && actor.link->push(handle);
  if (!actor.pushed) return;
  ++actor.in_flight;
  actor.starved_ticks = 0;
}

void Owner::give_back_worker(Actor& actor) {
  effects_.return_lease(std::exchange(actor.lease, {}));
  actor.worker = {};
  actor.link = nullptr;
}

void Owner::constructed(Entry& handle, Outcome outcome) {
  Actor& actor = *handle.actor;
  --actor.in_flight;
  announce_kept(handle, outcome.kept, actor.worker);
  drop_holds(outcome.held);
  actor.constructing = false;
  if (actor.state == State::dead) {
    // Killed meanwhile: the process is about to end.
  } else if (outcome.value.failed()) {
    const Error error = outcome.value.error().with_context(label_of(handle) + " could not be constructed");
    give_back_worker(actor);
    actor.not_made = true;
    actor_dead(actor, error);
  } else {
    actor.state = State::alive;
    actor.backoff.up(effects_.now());
    if (!planted_bug(12) || handle.attempt == 0) tell_all(actor);
    dispatch(actor);
  }
  unhold(handle);
}

void Owner::link_opened(ClientId worker, WorkerLink& link) {
  std::vector<DemandIndex> there;
  for (const auto& [index, actor] : actors_) {
    if (actor->worker != worker || actor->link != nullptr || actor->state != State::alive) continue;
    actor->link = &link;
    there.push_back(index);
  }
  for (const DemandIndex index : there) {
    if (Actor* actor = find_actor(index)) dispatch(*actor);
  }
}

// --- calls

// May free the actor, as its last call may fail here: an argument that was spilled cannot be read.
void Owner::dispatch(Actor& actor) {
  if (actor.state != State::alive || actor.killed || actor.calls.front == nullptr) return;
  Entry& handle = *actor.handle;
  hold(handle);
  while (actor.state == State::alive && actor.link != nullptr && !actor.full && actor.calls.front != nullptr) {
    Entry& call = *actor.calls.front;
    if (call.phase != Phase::queued) break;  // its arguments are not there yet
    unlink(call);
    call.phase = Phase::pushed;
    const Arguments arguments = call.ref_mask == 0 ? Arguments::present : restore_arguments(call);
    if (arguments == Arguments::task_failed) continue;
    if (arguments == Arguments::awaited) {
      link(call, true);
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
  unhold(handle);
}

// A call of it was resolved. May free the actor.
void Owner::close_call(Actor& actor) {
  if (--actor.open_calls == 0) unhold(*actor.handle);
}

// --- its end

void Owner::handle_gone(Actor& actor) {
  const bool ends = actor.owned && actor.state != State::dead;
  if (ends && !actor.name.empty()) effects_.drop_name(actor.name, actor.handle->id);
  actor.handle = nullptr;
  if (ends) withdraw(actor);
  if (ends && actor.state == State::alive) {
    actor.state = State::ending;
    actor.pushed = false;
    return end_worker(actor);
  }
  actors_.erase(actor.index);
}

void Owner::end_worker(Actor& actor) {
  if (!actor.pushed) actor.pushed = actor.link->push_end();
}

// Its process is gone. Finished calls were reported before.
void Owner::actor_lost(Actor& actor, const std::string& status) {
  WorkerLink* link = std::exchange(actor.link, nullptr);
  actor.worker = {};
  actor.lease = {};
  actor.full = false;
  const bool asked_for = std::exchange(actor.killed, false);
  actor.in_flight = 0;
  if (actor.state == State::ending) {
    actors_.erase(actor.index);
    return;
  }
  Entry& handle = *actor.handle;
  hold(handle);
  const bool constructing = std::exchange(actor.constructing, false);
  actor.last_end = about_end("its process ", first_line(status), constructing ? " while its constructor ran" : "");
  const bool dead = actor.state == State::dead;     // its owner died first
  bool never_made = constructing && !actor.pushed;  // costs no restart, as an attempt that had not started costs none
  std::vector<Entry*> started;
  if (link != nullptr) {
    while (Entry* entry = link->take_back_last()) {
      if (entry->kind == Kind::call && cancelled(*entry)) started.push_back(entry);
      if (entry->kind == Kind::call && !cancelled(*entry)) enqueue(*entry, true);  // newest first: the order is kept
      never_made = never_made || entry->kind == Kind::actor;
    }
    while (Entry* entry = link->next_lost()) {
      if (entry->kind == Kind::call) started.push_back(entry);
    }
  }
  const bool again = !dead && (actor.restarts_left != 0 || never_made);
  std::vector<Entry*> lost;
  for (auto it = started.rbegin(); it != started.rend(); ++it) {
    Entry& call = **it;
    const bool retry = again && !cancelled(call) &&
                       (actor.limits.max_task_retries < 0 || call.attempt < actor.limits.max_task_retries);
    if (retry) {
      ++call.attempt;
      effects_.tried_again(label_of(call), call.attempt + 1u, about_end("the actor's process ", first_line(status)));
      enqueue(call, !planted_bug(11));
    } else {
      call.phase = Phase::here;  // in no queue and no ring
      lost.push_back(&call);
    }
  }
  if (dead) {
    while (actor.calls.front != nullptr) fail(*actor.calls.front, Error(actor.error));
  } else if (!actor.owned) {
    actor.state = State::locating;  // its owner will say
  } else if (again) {
    const std::int64_t ours = constructing ? 2 : 1;  // holds; without others it ends below
    if (handle.refs.load() > ours) {
      restart(actor, status, never_made, constructing, asked_for);
    } else {
      actor.state = State::pending;
    }
  }
  for (Entry* call : lost) {
    fail(*call, cancelled(*call) ? cancelled_error(*call, "while it was called") : lost_call(*call, actor, status));
  }
  if (actor.owned && !again && !dead) {
    const std::string advice =
        actor.limits.max_restarts == 0
            ? "; ActorOptions::max_restarts lets it start again"
            : "; its restarts are used up, ActorOptions::max_restarts is " + std::to_string(actor.limits.max_restarts);
    const std::string when = constructing ? " while its constructor ran" : "";
    actor_dead(actor,
               Error(ErrorCode::actor_died, about_end(label_of(handle) + ": its process ", status, when + advice)));
  }
  if (constructing) unhold(handle);
  if (const auto next = std::exchange(actor.next_place, {})) located(handle, *next);
  unhold(handle);
}

// Demands another worker; where it waits, at the first tick after that.
void Owner::restart(Actor& actor, const std::string& status, bool never_made, bool constructing, bool asked_for) {
  Entry& handle = *actor.handle;
  actor.state = State::pending;
  if (never_made) {
    effects_.tried_again(label_of(handle), handle.attempt + 1u, about_end("its process ", first_line(status)));
    return demand_worker(actor);
  }
  if (actor.restarts_left > 0) --actor.restarts_left;
  ++handle.attempt;
  const std::chrono::nanoseconds now = effects_.now();
  const std::chrono::nanoseconds delay = actor.backoff.ended(now);
  if (delay.count() > 0) actor.starts_at = now + delay;
  effects_.restarts(
      {label_of(handle), handle.attempt, actor.limits.max_restarts, status, constructing, asked_for, delay});
  demand_worker(actor);
}

Error Owner::lost_call(const Entry& call, const Actor& actor, const std::string& status) const {
  const std::string before = label_of(call) + ": the actor's process ";
  const bool ended = actor.state == State::dead || (actor.restarts_left == 0 && actor.state != State::pending);
  if (ended) return Error(ErrorCode::actor_died, about_end(before, status, " while the call ran"));
  return Error(ErrorCode::unavailable,
               about_end(before, status,
                         " while the call ran; the actor starts again: call once more if that does no "
                         "harm, or let calls be repeated with ActorOptions::max_task_retries"));
}

// For good.
void Owner::actor_dead(Actor& actor, const Error& error) {
  if (actor.state == State::dead) return;
  Entry& handle = *actor.handle;
  hold(handle);
  actor.state = State::dead;
  actor.error = error;
  withdraw(actor);
  if (actor.owned && !actor.name.empty()) effects_.drop_name(actor.name, handle.id);
  tell_all(actor);
  if (actor.calls.front != nullptr) handle.seen = true;
  while (actor.calls.front != nullptr) fail(*actor.calls.front, Error(actor.error));
  if (actor.owned) {
    free_value(handle.value);
    if (handle.extra) {
      drop_holds(handle.extra->references);
      drop_holds(handle.extra->contained);
    }
  }
  unhold(handle);
}

// Actors that were in, or belonged to, processes that are gone.
void Owner::lose_actors(const std::function<bool(ClientId)>& gone, const std::string& status) {
  std::vector<DemandIndex> lost;
  for (const auto& [index, actor] : actors_) {
    std::erase_if(actor->subscribers, gone);
    if (actor->worker && gone(actor->worker)) lost.push_back(index);
  }
  for (const DemandIndex index : lost) {
    Actor* actor = find_actor(index);
    if (actor == nullptr) continue;
    actor_lost(*actor, status);
    actor = find_actor(index);
    if (actor == nullptr || actor->state != State::locating || gone(actor->handle->owner)) continue;
    // The owner reports a new place by itself. But the actor may have ended, if the owner did not know this borrower.
    effects_.send(actor->handle->owner, FindActor{actor->handle->id});
  }
}

// --- where it is

void Owner::tell(const Actor& actor, ClientId subscriber) {
  if (actor.state == State::alive) {
    effects_.send(subscriber, ActorAt{actor.handle->id, actor.worker, actor.restarts_left,
                                      actor.limits.max_task_retries, actor.limits.max_concurrency});
  } else if (actor.state == State::dead) {
    actor.handle->seen = true;
    effects_.send(subscriber, ActorGone{actor.handle->id, Value::of(actor.error)});
  }
}

// A process that asked once is told until it dies, whether it is in the list of borrowers or not: it may have given
// back one borrow and call through another, before either is announced.
void Owner::tell_all(const Actor& actor) {
  for (const ClientId& subscriber : actor.subscribers) tell(actor, subscriber);
}

void Owner::located(Entry& handle, const ActorAt& at) {
  Actor& actor = *handle.actor;
  if (actor.state == State::dead || is_dead(at.worker)) return;  // its owner hears of that death too, and says more
  if (actor.worker == at.worker) return;
  if (actor.worker) {
    actor.next_place = at;
    return;
  }
  hold(handle);
  actor.worker = at.worker;
  actor.limits.max_task_retries = at.max_task_retries;
  actor.limits.max_concurrency = at.max_concurrency;
  actor.restarts_left = at.restarts_left;
  actor.state = State::alive;
  actor.link = effects_.link_to(at.worker);
  dispatch(actor);
  unhold(handle);
}

bool Owner::actors_are_ending() const {
  return std::any_of(actors_.begin(), actors_.end(), [](const auto& a) { return a.second->state == State::ending; });
}

std::string Owner::check_actors() const {
  std::map<const Actor*, std::uint64_t> open, pushed;  // looked up, never walked
  table_.for_each([&](const Entry& entry) {
    if (entry.kind != Kind::call || entry.phase == Phase::resolved) return;
    ++open[entry.actor];
    if (entry.phase == Phase::pushed) ++pushed[entry.actor];
  });
  for (const auto& [index, actor] : actors_) {
    const auto count = [&, a = actor.get()](const auto& of) {
      const auto it = of.find(a);
      return it == of.end() ? 0 : it->second;
    };
    if (count(open) != actor->open_calls) return "OWN-10: an actor's open calls differ from the table";
    const bool constructing = actor->constructing && actor->pushed;
    if (count(pushed) + (constructing ? 1 : 0) != actor->in_flight) return "OWN-10: an actor's calls in flight differ";
    if (actor->state == State::dead && actor->calls.front != nullptr) return "OWN-10: a dead actor has calls";
  }
  return {};
}

}  // namespace manta::owner
