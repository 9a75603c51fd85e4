// Tasks and calls that run longer than they may (OWN-15).
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

void Owner::tick_limits() {
  if (!limits_.any()) return;
  std::vector<Entry*> running;
  for (const auto& [id, lease] : leases_) lease->link->running(running);
  for (const auto& [index, actor] : actors_) {
    if (actor->link != nullptr) actor->link->running(running);
  }
  const std::vector<TimeLimits::Due> due = limits_.look(running, effects_.now());
  std::vector<Entry*> held;
  for (const TimeLimits::Due& each : due) {
    hold(*each.entry);
    held.push_back(each.entry);
  }
  for (const TimeLimits::Due& each : due) {
    if (each.entry->phase == Phase::pushed) passed_limit(*each.entry, each.passed);
  }
  drop_holds(held);
}

// One that was cancelled before keeps that as its reason.
void Owner::passed_limit(Entry& entry, TimeLimits::Passed passed) {
  const bool grace = passed == TimeLimits::Passed::grace;
  if (grace && entry.kind == Kind::call) return leave_behind(entry);
  const bool first = !cancelled(entry);
  if (first) entry.extra->over_limit = true;
  const bool recursive = first || entry.extra->cancelled->recursive;
  (void)cancel(entry, {grace, recursive, "the time limit of " + to_text(entry.extra->limit) + " of " + name_of(entry)});
}

// The caller's Ref fails now. The method goes on under a stand-in, which has the place in the ring, the arguments and the
// actor, and drops the result.
void Owner::leave_behind(Entry& call) {
  Entry& rest = table_.allocate();
  rest.id = call.id;
  rest.owned = true;
  rest.kind = Kind::call;
  rest.function = call.function;
  rest.attempt = call.attempt;
  rest.phase = Phase::pushed;
  rest.actor = call.actor;
  rest.position = call.position;
  rest.ref_mask = call.ref_mask;
  rest.value = std::exchange(call.value, Value());
  rest.refs.store(1, std::memory_order_relaxed);
  rest.more().cancelled = std::make_unique<Cancellation>(*call.extra->cancelled);
  rest.extra->references = std::exchange(call.extra->references, {});
  rest.extra->contained = std::exchange(call.extra->contained, {});
  call.actor->link->replace(call, rest);
  count_open(call, -1);
  count_open(rest, 1);
  if (IncomingStream* stream = call.extra->stream.get()) {
    stream->total = stream->received;
    if (stream->producer && !is_dead(stream->producer)) effects_.send(stream->producer, StreamStop{call.id});
  }
  resolve(call, Value::of(cancelled_error(
                    call, "while it ran; the method goes on, as it does not look whether it is to stop")));
  unhold(call);
}

Error Owner::limit_error(const Entry& entry, const std::string& state) const {
  const bool call = entry.kind == Kind::call;
  std::string attempt = std::to_string(entry.attempt + 1);
  if (!call && entry.max_retries >= 0) attempt += " of " + std::to_string(entry.max_retries + 1);
  return Error(
      ErrorCode::deadline,
      label_of(entry) + " (attempt " + attempt + ") took longer than its time limit of " + to_text(entry.extra->limit) +
          ": it was cancelled " + state + "\nGive it more by " + (call ? "CallOptions" : "TaskOptions") +
          "::timeout, or look at its stack while it runs: gdb -p PID, of its worker process (docs/debugging.md)");
}

}  // namespace manta::owner
