// Tasks that end before their time (OWN-14).
//
// What has not started is taken back, wherever it waits. What has started is told by its worker, and its outcome, or
// the worker's death, ends it. A worker on another node may not have started what it was given: it sends that back.
#include <algorithm>
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

Result<void> Owner::cancel(Entry& entry, const Cancellation& how) {
  if (entry.kind == Kind::actor) {
    return manta::fail(ErrorCode::invalid_argument, "an actor is not cancelled: manta::kill ends it");
  }
  if (entry.phase == Phase::resolved || entry.phase == Phase::lost) return {};
  if (!entry.owned) {
    if (!is_dead(entry.owner) && !is_standby(entry.owner)) effects_.send(entry.owner, CancelTask{entry.id, how});
    return {};
  }
  if (how.force && entry.kind == Kind::call) {
    return manta::fail(ErrorCode::invalid_argument,
                       label_of(entry) +
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
  hold(entry);
  if (entry.phase == Phase::waiting || entry.phase == Phase::queued) {
    fail(entry, cancelled_error(entry, "before it started"));
  } else if (entry.phase == Phase::pushed) {
    stop_pushed(entry);
  } else {  // on the stack of a thread that waits for it: this process must live
    effects_.stop_task(self_, entry.id, {false, how.recursive, how.by});
  }
  unhold(entry);
  return {};
}

void Owner::cancel_children(const TaskId& parent, std::uint64_t count, const Cancellation& how) {
  std::vector<TaskId> ids;
  ids.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) ids.push_back(parent.child(n));
  std::sort(ids.begin(), ids.end());
  std::vector<Entry*> children;
  table_.for_each([&](Entry& entry) {
    const bool open = entry.owned && entry.kind != Kind::actor && entry.phase != Phase::resolved &&
                      entry.phase != Phase::lost && std::binary_search(ids.begin(), ids.end(), entry.id);
    if (!open) return;
    hold(entry);
    children.push_back(&entry);
  });
  for (Entry* child : children) (void)cancel(*child, {how.force && child->kind == Kind::task, how.recursive, how.by});
  drop_holds(children);
}

Error Owner::cancelled_error(const Entry& entry, const std::string& state) const {
  if (entry.extra->over_limit) return limit_error(entry, state);
  return Error(ErrorCode::cancelled, label_of(entry) + " was cancelled by " + entry.extra->cancelled->by + " " + state);
}

// A value counts: the task was asked to stop, and finished. Unless it is over its time limit (OWN-15).
void Owner::end_cancelled(Entry& entry, Outcome& outcome) {
  const bool failed = outcome.value.failed();
  if (!failed && !entry.extra->over_limit) return entry.extra->cancelled.reset();  // it may be made again (OWN-11)
  const std::string end =
      failed ? "and ended with: " + outcome.value.error().message() : std::string("and returned a value too late");
  free_value(outcome.value);
  outcome.value = Value::of(cancelled_error(entry, "while it ran, " + end));
  outcome.user_exception = false;
}

// By force: nothing more goes to its worker, and what waits there comes back first, so that only one attempt is lost.
void Owner::stop_pushed(Entry& entry) {
  Lease* lease = entry.kind == Kind::task ? entry.lease : nullptr;
  WorkerLink* link = lease != nullptr ? lease->link : entry.actor->link;
  if (link != nullptr && link->take_back(entry)) return taken_out(entry);
  const ClientId worker = lease != nullptr ? lease->worker : entry.actor->worker;
  Cancellation how = *entry.extra->cancelled;
  how.force = how.force && lease != nullptr && worker != self_;
  effects_.stop_task(worker, entry.id, how);
  if (!how.force) return;
  hold(entry);
  forced_.push_back({&entry, lease->id});
  lease->yielding = true;
  take_all_back(*lease);
  dispatch(*shapes_[entry.shape]);
  update_demand(entry.shape);
}

// It has not started, and its link has given it up.
void Owner::taken_out(Entry& entry) {
  const Error error = cancelled_error(entry, "before it started");
  if (entry.kind == Kind::call) {
    Actor& actor = *entry.actor;
    Entry& handle = *actor.handle;
    hold(handle);
    --actor.in_flight;
    actor.full = false;
    fail(entry, error);
    dispatch(actor);
    unhold(handle);
    return;
  }
  Lease* lease = std::exchange(entry.lease, nullptr);
  if (lease == nullptr) return fail(entry, error);
  const LeaseId id = lease->id;
  --lease->in_flight;
  lease->full = false;
  fail(entry, error);
  if (Lease* still = find_lease(id)) after_finish(*still);
}

// A worker that was told to end has been given some time: its node ends it.
void Owner::tick_forced() {
  if (forced_.empty()) return;
  std::vector<Entry*> over;
  for (Forced forced : std::exchange(forced_, {})) {
    Entry& entry = *forced.entry;
    const bool runs = entry.phase == Phase::pushed && entry.lease != nullptr && entry.lease->id == forced.lease;
    if (runs && ++forced.ticks < config_.force_ticks) {
      forced_.push_back(forced);
      continue;
    }
    if (runs) effects_.kill_worker(forced.lease);
    over.push_back(&entry);
  }
  drop_holds(over);
}

void Owner::drop_forced() {
  std::vector<Entry*> over;
  for (const Forced& forced : std::exchange(forced_, {})) over.push_back(forced.entry);
  drop_holds(over);
}

}  // namespace manta::owner
