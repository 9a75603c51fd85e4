#include "core/owner/cancelling.h"

#include <algorithm>
#include <utility>

#include "core/owner/worker_link.h"

namespace manta::owner {

Result<void> Cancelling::cancel(Entry& entry, const Cancellation& how) {
  if (entry.kind == Kind::actor) {
    return manta::fail(ErrorCode::invalid_argument, "an actor is not cancelled: manta::kill ends it");
  }
  if (entry.phase == Phase::resolved || entry.phase == Phase::lost) return {};
  if (!entry.owned) {
    if (!deaths_.contains(entry.owner) && !is_standby(entry.owner))
      effects_.send(entry.owner, CancelTask{entry.id, how});
    return {};
  }
  if (how.force && entry.kind == Kind::call) {
    return manta::fail(ErrorCode::invalid_argument,
                       labels_.label_of(entry) +
                           " cannot be cancelled by force, which would end its actor: cancel "
                           "it without force, or end the actor with manta::kill");
  }
  if (cancelled(entry)) {
    Cancellation& before = *entry.extra->cancelled;
    if ((before.force || !how.force) && (before.recursive || !how.recursive)) return {};
    before.force = before.force || how.force;
    before.recursive = before.recursive || how.recursive;
  } else {
    entry.more().cancelled = std::make_unique<Cancellation>(how);
  }
  objects_.hold(entry);
  if (entry.phase == Phase::waiting || entry.phase == Phase::queued) {
    context_.fail(entry, labels_.cancelled(entry, "before it started"));
  } else if (entry.phase == Phase::pushed) {
    stop_pushed(entry);
  } else {  // on the stack of a thread that waits for it: this process must live
    effects_.stop_task(objects_.self(), entry.id, {false, how.recursive, how.by});
  }
  objects_.unhold(entry);
  return {};
}

void Cancelling::cancel_children(const TaskId& parent, std::uint64_t count, const Cancellation& how) {
  std::vector<TaskId> ids;
  ids.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) ids.push_back(parent.child(n));
  std::sort(ids.begin(), ids.end());
  std::vector<Entry*> children;
  objects_.table().for_each([&](Entry& entry) {
    const bool open = entry.owned && entry.kind != Kind::actor && entry.phase != Phase::resolved &&
                      entry.phase != Phase::lost && std::binary_search(ids.begin(), ids.end(), entry.id);
    if (!open) return;
    objects_.hold(entry);
    children.push_back(&entry);
  });
  for (Entry* child : children) (void)cancel(*child, {how.force && child->kind == Kind::task, how.recursive, how.by});
  objects_.drop_holds(children);
}

// By force: nothing more goes to its worker, and what waits there comes back first, so that only one attempt is lost.
void Cancelling::stop_pushed(Entry& entry) {
  Lease* lease = entry.kind == Kind::task ? entry.lease : nullptr;
  WorkerLink* link = lease != nullptr ? lease->link : entry.actor->link;
  if (link != nullptr && link->take_back(entry)) return context_.taken_out(entry);
  const ClientId worker = lease != nullptr ? lease->worker : entry.actor->worker;
  Cancellation how = *entry.extra->cancelled;
  how.force = how.force && lease != nullptr && worker != objects_.self();
  effects_.stop_task(worker, entry.id, how);
  if (!how.force) return;
  objects_.hold(entry);
  forced_.push_back({&entry, lease->id});
  context_.vacate(*lease);
}

// The time that a worker had to end by itself is over: its node ends it.
void Cancelling::tick_forced() {
  if (forced_.empty()) return;
  std::vector<Entry*> over;
  for (Forced forced : std::exchange(forced_, {})) {
    Entry& entry = *forced.entry;
    const bool runs = entry.phase == Phase::pushed && entry.lease != nullptr && entry.lease->id == forced.lease;
    if (runs && ++forced.ticks < force_ticks_) {
      forced_.push_back(forced);
      continue;
    }
    if (runs) effects_.kill_worker(forced.lease);
    over.push_back(&entry);
  }
  objects_.drop_holds(over);
}

void Cancelling::drop_forced() {
  std::vector<Entry*> over;
  for (const Forced& forced : std::exchange(forced_, {})) over.push_back(forced.entry);
  objects_.drop_holds(over);
}

void Cancelling::tick() {
  tick_forced();
  if (context_.limited() > 0) tick_limits();
}

void Cancelling::tick_limits() {
  std::vector<Entry*> running;
  context_.running(running);
  const std::vector<TimeLimits::Due> due = limits_.look(running, effects_.now());
  std::vector<Entry*> held;
  for (const TimeLimits::Due& each : due) {
    objects_.hold(*each.entry);
    held.push_back(each.entry);
  }
  for (const TimeLimits::Due& each : due) {
    if (each.entry->phase == Phase::pushed) passed_limit(*each.entry, each.passed);
  }
  objects_.drop_holds(held);
}

// One that was cancelled before keeps that as its reason.
void Cancelling::passed_limit(Entry& entry, TimeLimits::Passed passed) {
  const bool grace = passed == TimeLimits::Passed::grace;
  if (grace && entry.kind == Kind::call) return leave_behind(entry);
  const bool first = !cancelled(entry);
  if (first) entry.extra->over_limit = true;
  const bool recursive = first || entry.extra->cancelled->recursive;
  (void)cancel(
      entry, {grace, recursive, "the time limit of " + to_text(entry.extra->limit) + " of " + labels_.name_of(entry)});
}

// The caller's Ref fails now. The method goes on under a stand-in, which has the place in the ring, the arguments and
// the actor, and drops the result.
void Cancelling::leave_behind(Entry& call) {
  Entry& rest = objects_.make(call.id, 1);
  rest.kind = Kind::call;
  rest.function = call.function;
  rest.attempt = call.attempt;
  rest.phase = Phase::pushed;
  rest.actor = call.actor;
  rest.position = call.position;
  rest.ref_mask = call.ref_mask;
  rest.value = std::exchange(call.value, Value());
  rest.more().cancelled = std::make_unique<Cancellation>(*call.extra->cancelled);
  rest.extra->references = std::exchange(call.extra->references, {});
  rest.extra->contained = std::exchange(call.extra->contained, {});
  call.actor->link->replace(call, rest);
  context_.replaced(call, rest);
  objects_.resolve(call, Value::of(labels_.cancelled(
                             call, "while it ran; the method goes on, as it does not look whether it is to stop")));
  objects_.unhold(call);
}

}  // namespace manta::owner
