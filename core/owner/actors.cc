#include "core/owner/actors.h"

#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"
#include "core/owner/actor_waits.h"

namespace manta::owner {

using State = Actor::State;

namespace {

// A constructor's result has to be fetched even if no thread of the program waits for anything.
bool wants_tick(const Actor& actor) {
  return actor.full || actor.state == State::starting || (actor.state == State::pending && actor.starts_at) ||
         (actor.state == State::ending && !actor.pushed);
}

}  // namespace

// --- from the program

Entry* Actors::create(NewActor made) {
  auto actor = std::make_unique<Actor>();
  Actor& added = *actor;
  added.index = next_++;
  added.owned = true;
  added.state = State::pending;
  added.limits = made.limits;
  added.restarts_left = made.limits.max_restarts;
  added.request = std::move(made.request);
  added.where = made.where;
  added.name = std::move(made.name);
  added.held_back = made.held_back;
  added.backoff = detail::RestartBackoff(limits_.restarts);
  actors_.emplace(added.index, std::move(actor));
  Entry& handle = context_.make(made.constructor, Kind::actor, &added);
  added.handle = &handle;
  return &context_.begin(handle, made.constructor);
}

void Actors::start(Entry& handle) {
  handle.actor->held_back = false;
  if (handle.phase == Phase::actor) demand_worker(*handle.actor);
}

Entry* Actors::call(Entry& handle, NewTask task) {
  Actor& actor = known(handle);
  Entry& entry = context_.make(task, Kind::call, &actor);
  calls_.add(actor, entry);
  context_.begin(entry, task);
  if (actor.state == State::dead && entry.phase != Phase::resolved) {
    handle.seen = true;  // the call has the error
    context_.fail(entry, Error(actor.error));
  }
  return &entry;
}

void Actors::ready(Entry& entry) {
  if (entry.kind == Kind::call) {
    entry.phase = Phase::queued;
    calls_.dispatch(*entry.actor);
  } else {
    entry.phase = Phase::actor;
    demand_worker(*entry.actor);
  }
}

Entry* Actors::adopt(const ObjectId& id) {
  Entry* entry = objects_.table().find(id);
  if (entry == nullptr || !entry->owned || entry->kind != Kind::actor || entry->actor->state == State::dead)
    return nullptr;
  objects_.hold(*entry);  // also where its last handle has gone outside of the lock (OWN-7)
  return entry;
}

void Actors::kill(Entry& handle, bool restart) {
  Actor& actor = known(handle);
  if (actor.state == State::dead) return;
  if (!actor.owned) return effects_.send(handle.owner, KillActor{handle.id, restart});
  // What had started then fails when the process is gone.
  if (actor.lease && !actor.killed) {
    effects_.kill_worker(actor.lease);
    actor.killed = true;
  }
  if (!restart) end(actor, Error(ErrorCode::actor_died, labels_.label_of(handle) + " was ended by manta::kill"));
}

// A borrowed actor becomes known as such when it is first called.
Actor& Actors::known(Entry& handle) {
  if (handle.kind == Kind::actor) return *handle.actor;
  auto made = std::make_unique<Actor>();
  Actor& actor = *made;
  actor.index = next_++;
  actor.handle = &handle;
  handle.kind = Kind::actor;
  handle.actor = &actor;
  actors_.emplace(actor.index, std::move(made));
  if (handle.phase == Phase::resolved || deaths_.contains(handle.owner) ||
      is_standby(handle.owner)) {  // standby owners have no actors
    actor.state = State::dead;
    actor.error = lost_with_owner(handle, "has ended");
  } else {
    effects_.send(handle.owner, FindActor{handle.id});
  }
  return actor;
}

sched::Where Actors::where_of(DemandIndex index) const {
  const auto it = actors_.find(index);
  return it == actors_.end() ? sched::Where{} : it->second->where;
}

Actor* Actors::find(DemandIndex index) const {
  const auto it = actors_.find(index);
  return it == actors_.end() ? nullptr : it->second.get();
}

// --- its worker

void Actors::demand_worker(Actor& actor) {
  if (actor.held_back || actor.demanded || actor.starts_at || actor.state != State::pending) return;
  actor.demanded = true;
  effects_.set_demand(actor.index, actor.request, 1);
}

void Actors::withdraw(Actor& actor) {
  if (std::exchange(actor.demanded, false)) effects_.set_demand(actor.index, actor.request, 0);
}

void Actors::granted(DemandIndex index, LeaseId lease, ClientId worker, WorkerLink& link) {
  Actor* actor = find(index);
  if (actor == nullptr || actor->state != State::pending || !actor->demanded) return effects_.return_lease(lease);
  actor->demanded = false;  // the node ends the demand when the lease ends (SCHED-9)
  actor->lease = lease;
  actor->worker = worker;
  actor->link = &link;
  actor->state = State::starting;
  actor->pushed = false;
  actor->constructing = true;
  objects_.hold(*actor->handle);
  construct(*actor);
}

void Actors::infeasible(DemandIndex index, const std::string& why) {
  Actor* actor = find(index);
  if (actor == nullptr) return;
  actor->demanded = false;
  if (actor->state != State::pending) return;
  actor->not_made = true;
  end(*actor, Error(ErrorCode::invalid_argument, labels_.label_of(*actor->handle) + " cannot run: " + why));
}

bool Actors::lease_ended(LeaseId lease, const std::string& status) {
  for (const auto& [index, actor] : actors_) {
    if (actor->lease != lease) continue;
    process_lost(*actor, status);
    return true;
  }
  return false;
}

std::vector<Entry*> Actors::drop_workers() {
  std::vector<Entry*> constructing;
  for (auto it = actors_.begin(); it != actors_.end();) {
    Actor& actor = *it->second;
    if (std::exchange(actor.constructing, false)) constructing.push_back(actor.handle);
    actor.lease = {};
    actor.worker = {};
    actor.link = nullptr;
    actor.in_flight = 0;
    it = actor.state == State::ending ? actors_.erase(it) : std::next(it);
  }
  return constructing;
}

void Actors::construct(Actor& actor) {
  Entry& handle = *actor.handle;
  if (actor.pushed || handle.phase == Phase::waiting) return;  // for arguments that are made again
  const Arguments arguments = handle.ref_mask == 0 ? Arguments::present : context_.bring_arguments(handle);
  if (arguments == Arguments::task_failed) {
    give_back_worker(actor);
    actor.constructing = false;
    return objects_.unhold(handle);
  }
  actor.starved = arguments == Arguments::no_space;
  actor.pushed = arguments == Arguments::present && actor.link->push(handle);
  if (!actor.pushed) return;
  ++actor.in_flight;
  actor.starved_ticks = 0;
}

void Actors::give_back_worker(Actor& actor) {
  effects_.return_lease(std::exchange(actor.lease, {}));
  actor.worker = {};
  actor.link = nullptr;
}

void Actors::constructed(Entry& handle, Outcome outcome) {
  Actor& actor = *handle.actor;
  --actor.in_flight;
  context_.announce_kept(handle, outcome.kept, actor.worker);
  objects_.drop_holds(outcome.held);
  actor.constructing = false;
  if (actor.state == State::dead) {
    // Killed meanwhile: the process is about to end.
  } else if (outcome.value.failed()) {
    const Error error = outcome.value.error().with_context(labels_.label_of(handle) + " could not be constructed");
    give_back_worker(actor);
    actor.not_made = true;
    end(actor, error);
  } else {
    actor.state = State::alive;
    actor.backoff.up(effects_.now());
    if (!planted_bug(12) || handle.attempt == 0) places_.tell_all(actor);
    calls_.dispatch(actor);
  }
  objects_.unhold(handle);
}

void Actors::link_opened(ClientId worker, WorkerLink& link) {
  std::vector<DemandIndex> there;
  for (const auto& [index, actor] : actors_) {
    if (actor->worker != worker || actor->link != nullptr || actor->state != State::alive) continue;
    actor->link = &link;
    there.push_back(index);
  }
  for (const DemandIndex index : there) {
    if (Actor* actor = find(index)) calls_.dispatch(*actor);
  }
}

// --- its end

void Actors::handle_gone(Actor& actor) {
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

void Actors::end_worker(Actor& actor) {
  if (!actor.pushed) actor.pushed = actor.link->push_end();
}

// Its process is gone. Finished calls were reported before.
void Actors::process_lost(Actor& actor, const std::string& status) {
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
  objects_.hold(handle);
  const bool constructing = std::exchange(actor.constructing, false);
  actor.last_end = about_end("its process ", first_line(status), constructing ? " while its constructor ran" : "");
  const bool dead = actor.state == State::dead;  // its owner died first
  const auto [started, constructor_came_back] = ActorCalls::recall(link);
  // Costs no restart, as an attempt that had not started costs none.
  const bool never_made = (constructing && !actor.pushed) || constructor_came_back;
  const bool again = !dead && (actor.restarts_left != 0 || never_made);
  const std::vector<Entry*> unfinished = calls_.repeat(actor, started, again, status);
  if (dead) {
    calls_.fail_queued(actor);
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
  calls_.fail_lost(unfinished, actor, status);
  if (actor.owned && !again && !dead) {
    const std::string advice =
        actor.limits.max_restarts == 0
            ? "; ActorOptions::max_restarts lets it start again"
            : "; its restarts are used up, ActorOptions::max_restarts is " + std::to_string(actor.limits.max_restarts);
    const std::string when = constructing ? " while its constructor ran" : "";
    end(actor,
        Error(ErrorCode::actor_died, about_end(labels_.label_of(handle) + ": its process ", status, when + advice)));
  }
  if (constructing) objects_.unhold(handle);
  if (const auto next = std::exchange(actor.next_place, {})) place(handle, *next);
  objects_.unhold(handle);
}

// Demands another worker; where it waits, at the first tick after that.
void Actors::restart(Actor& actor, const std::string& status, bool never_made, bool constructing, bool asked_for) {
  Entry& handle = *actor.handle;
  actor.state = State::pending;
  if (never_made) {
    effects_.tried_again(labels_.label_of(handle), handle.attempt + 1u, about_end("its process ", first_line(status)));
    return demand_worker(actor);
  }
  if (actor.restarts_left > 0) --actor.restarts_left;
  ++handle.attempt;
  const std::chrono::nanoseconds now = effects_.now();
  const std::chrono::nanoseconds delay = actor.backoff.ended(now);
  if (delay.count() > 0) actor.starts_at = now + delay;
  effects_.restarts(
      {labels_.label_of(handle), handle.attempt, actor.limits.max_restarts, status, constructing, asked_for, delay});
  demand_worker(actor);
}

// For good.
void Actors::end(Actor& actor, const Error& error) {
  if (actor.state == State::dead) return;
  Entry& handle = *actor.handle;
  objects_.hold(handle);
  actor.state = State::dead;
  actor.error = error;
  withdraw(actor);
  if (actor.owned && !actor.name.empty()) effects_.drop_name(actor.name, handle.id);
  places_.tell_all(actor);
  if (actor.calls.front != nullptr) handle.seen = true;
  calls_.fail_queued(actor);
  if (actor.owned) {
    objects_.free_value(handle.value);
    if (handle.extra) {
      objects_.drop_holds(handle.extra->references);
      objects_.drop_holds(handle.extra->contained);
    }
  }
  objects_.unhold(handle);
}

// Actors that were in, or belonged to, processes that are gone.
void Actors::drop_dead(const std::function<bool(ClientId)>& gone, const std::string& status) {
  std::vector<DemandIndex> lost;
  for (const auto& [index, actor] : actors_) {
    std::erase_if(actor->subscribers, gone);
    if (actor->worker && gone(actor->worker)) lost.push_back(index);
  }
  for (const DemandIndex index : lost) {
    Actor* actor = find(index);
    if (actor == nullptr) continue;
    process_lost(*actor, status);
    actor = find(index);
    if (actor == nullptr || actor->state != State::locating || gone(actor->handle->owner)) continue;
    // The owner reports a new place by itself. But the actor may have ended, if the owner did not know this borrower.
    effects_.send(actor->handle->owner, FindActor{actor->handle->id});
  }
}

// --- where it is

bool Actors::locate(ClientId from, const ObjectId& id) {
  const Entry* entry = objects_.table().find(id);
  if (entry == nullptr || entry->kind != Kind::actor) return false;
  places_.subscribe(*entry->actor, from);
  return true;
}

void Actors::located(ClientId from, const ActorAt& at) {
  Entry* entry = objects_.table().find(at.actor, from);
  if (entry != nullptr && entry->kind == Kind::actor) place(*entry, at);
}

void Actors::gone(ClientId from, const ActorGone& gone) {
  Entry* entry = objects_.table().find(gone.actor, from);
  if (entry != nullptr && entry->kind == Kind::actor && gone.error.failed()) end(*entry->actor, gone.error.error());
}

void Actors::place(Entry& handle, const ActorAt& at) {
  Actor& actor = *handle.actor;
  if (actor.state == State::dead || deaths_.contains(at.worker))
    return;  // its owner is notified of that death, too, and reports the next place
  if (actor.worker == at.worker) return;
  if (actor.worker) {
    actor.next_place = at;
    return;
  }
  objects_.hold(handle);
  actor.worker = at.worker;
  actor.limits.max_task_retries = at.max_task_retries;
  actor.limits.max_concurrency = at.max_concurrency;
  actor.restarts_left = at.restarts_left;
  actor.state = State::alive;
  actor.link = effects_.link_to(at.worker);
  calls_.dispatch(actor);
  objects_.unhold(handle);
}

bool Actors::ending() const {
  return std::any_of(actors_.begin(), actors_.end(), [](const auto& a) { return a.second->state == State::ending; });
}

void Actors::running(std::vector<Entry*>& entries) const {
  for (const auto& [index, actor] : actors_) {
    if (actor->link != nullptr) actor->link->running(entries);
  }
}

bool Actors::busy() const {
  return std::any_of(actors_.begin(), actors_.end(), [](const auto& actor) { return wants_tick(*actor.second); });
}

void Actors::tick(std::uint32_t milliseconds) {
  tick_starved(milliseconds);
  std::vector<DemandIndex> waiting;
  for (const auto& [number, actor] : actors_) {
    if (wants_tick(*actor)) waiting.push_back(number);
  }
  for (const DemandIndex number : waiting) {
    if (Actor* actor = find(number)) tick(*actor);  // or it went with another
  }
}

void Actors::tick(Actor& actor) {
  actor.full = false;
  switch (actor.state) {
    case State::pending:
      if (!actor.starts_at || effects_.now() < *actor.starts_at) return;
      actor.starts_at.reset();
      return demand_worker(actor);
    case State::starting:
      return construct(actor);
    case State::ending:
      return end_worker(actor);
    default:
      return calls_.dispatch(actor);
  }
}

void Actors::tick_starved(std::uint32_t milliseconds) {
  for (const auto& [index, each] : actors_) {
    Actor& actor = *each;
    if (!std::exchange(actor.starved, false) || (actor.starved_ticks += milliseconds) < limits_.restore_ticks) continue;
    actor.starved_ticks = 0;
    if (actor.constructing) {
      Entry& handle = *actor.handle;
      actor.constructing = false;
      give_back_worker(actor);
      end(actor, context_.no_space("an argument of the constructor of " + labels_.label_of(handle)));
      objects_.unhold(handle);
      return;
    }
    Entry* front = actor.calls.front;
    if (front == nullptr) continue;
    context_.fail(*front, context_.no_space("an argument of " + labels_.label_of(*front)));
    return;  // it may have been the actor's last: the others' turn is at the next tick
  }
}

// --- what waits

void Actors::unmet(std::vector<Unmet>& all) const {
  for (const auto& [index, actor] : actors_) add_unmet(*actor, all);
}

std::string Actors::label_of(DemandIndex index) const {
  const Actor* actor = find(index);
  if (actor == nullptr || actor->handle == nullptr) return "an actor";
  const Entry* call = starved(*actor);
  return labels_.label_of(call != nullptr ? *call : *actor->handle);
}

std::string Actors::check_invariants() const {
  std::map<const Actor*, std::uint64_t> open, pushed;  // looked up, never walked
  objects_.table().for_each([&](const Entry& entry) {
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
