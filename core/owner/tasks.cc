#include "core/owner/tasks.h"

#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"

namespace manta::owner {

Entry& Tasks::make(NewTask& task, Kind kind, Actor* actor) {
  // One reference for the caller, one for the task itself until it resolves (it runs even if no Ref to it is left).
  Entry& entry = objects_.make(task.id, kind == Kind::actor ? 1 : 2);
  entry.kind = kind;
  entry.function = task.function;
  entry.shape = task.shape;
  entry.max_retries = task.max_retries;
  entry.retry_exceptions = task.retry_exceptions;
  entry.ref_mask = task.ref_mask;
  entry.value = std::move(task.arguments);
  entry.phase = Phase::waiting;
  if (task.limit.count() != 0) entry.more().limit = task.limit;
  if (kind != Kind::actor) count_open(entry, 1);
  if (kind != Kind::task) entry.actor = actor;
  if (!task.name.empty()) entry.more().name = std::move(task.name);
  if (!task.contained.empty()) entry.more().contained = std::move(task.contained);
  if (task.stream_buffer) {
    objects_.make_findable(entry);  // its items name it
    entry.watched = true;
    entry.more().stream = std::make_unique<IncomingStream>(*task.stream_buffer);
  }
  return entry;
}

Entry& Tasks::begin(Entry& entry, NewTask& task) {
  Entry* failed = nullptr;
  if (!task.references.empty()) {
    EntryExtra& extra = entry.more();
    extra.references = std::move(task.references);
    for (Entry* reference : extra.references) objects_.hold(*reference);
    for (Entry* reference : extra.references) {
      want(*reference);  // which fails it at once if its owner is dead
      if (reference->phase == Phase::resolved) {
        if (reference->value.failed() && failed == nullptr) failed = reference;
        continue;
      }
      ++extra.unresolved;
      reference->more().dependents.push_back(&entry);
      objects_.hold(entry);  // one for each place in a list of dependents
    }
  }
  if (failed != nullptr) {
    failed->seen = true;
    fail(entry, failed->value.error());
  } else if (!entry.extra || entry.extra->unresolved == 0) {
    context_.ready(entry);
  }
  return entry;
}

void Tasks::want(Entry& first) {
  std::vector<Entry*> todo{&first};
  std::vector<Entry*> lost;
  while (!todo.empty()) {
    Entry& entry = *todo.back();
    todo.pop_back();
    if (entry.wanted || entry.phase == Phase::resolved) continue;
    if (entry.phase == Phase::borrowed) {
      entry.wanted = true;
      if (deaths_.contains(entry.owner)) {
        objects_.hold(entry);
        lost.push_back(&entry);
      } else {
        effects_.send(entry.owner, Fetch{entry.id});
      }
    } else if (entry.phase == Phase::queued && entry.kind == Kind::task) {
      entry.wanted = true;
      context_.promote(entry);
    } else if (entry.phase == Phase::lost) {
      if (rebuild(entry)) {
        entry.wanted = true;
        context_.ready(entry);
      } else {
        todo.push_back(&entry);  // for what it waits for
      }
    } else if (entry.phase == Phase::waiting) {
      entry.wanted = true;
      for (Entry* reference : entry.extra->references) todo.push_back(reference);
    }
  }
  // Last, because it fails their dependents too.
  for (Entry* entry : lost) {
    if (entry->phase == Phase::borrowed) fail(*entry, lost_with_owner(*entry, "has ended"));
  }
  objects_.drop_holds(lost);
}

void Tasks::finished(Entry& entry, Outcome outcome) {
  if (cancelled(entry) && !planted_bug(13)) end_cancelled(entry, outcome);
  Actor* actor = entry.kind == Kind::call ? entry.actor : nullptr;
  Lease* lease = actor == nullptr ? std::exchange(entry.lease, nullptr) : nullptr;
  if (lease != nullptr) {
    --lease->in_flight;
    ++lease->finished;
    lease->full = false;
  } else if (actor != nullptr) {
    --actor->in_flight;
    actor->full = false;
  }
  const ClientId ran_in = lease != nullptr ? lease->worker : actor != nullptr ? actor->worker : ClientId{};
  std::vector<Entry*> inside = std::move(outcome.held);
  for (const detail::WireRef& ref : outcome.contained) {
    inside.push_back(context_.import(ref, true));
    if (ran_in == objects_.self() && inside.back()->owned) context_.add_borrower(*inside.back(), ran_in, -1);
  }
  if (!outcome.kept.empty() && !(planted_bug(8) && outcome.user_exception)) {
    context_.announce_kept(entry, outcome.kept, ran_in);
  }
  const bool again = outcome.user_exception && entry.retry_exceptions && actor == nullptr &&
                     (entry.max_retries < 0 || entry.attempt < entry.max_retries);
  if (again) {
    objects_.free_value(outcome.value);
    objects_.drop_holds(inside);
    ++entry.attempt;
    effects_.tried_again(labels_.label_of(entry), entry.attempt + 1u, "it threw");
    context_.again(entry);
  } else if (outcome.value.failed() && lost_argument(entry, outcome)) {
    objects_.free_value(outcome.value);
    objects_.drop_holds(inside);
    (void)await_references(entry);
    for (Entry* reference : entry.extra->references) want(*reference);
  } else {
    take_value(entry, outcome, std::move(inside));
  }
  if (lease != nullptr) context_.task_ended(*lease);
  if (actor != nullptr) context_.call_ended(*actor, true);
}

void Tasks::take_value(Entry& entry, Outcome& outcome, std::vector<Entry*> inside) {
  if (!lineage_.keep(entry, outcome.value)) objects_.free_value(entry.value);
  if (outcome.value.failed()) objects_.drop_holds(inside);  // of a value that came too late
  if (!inside.empty()) entry.more();
  if (entry.extra) {
    objects_.drop_holds(entry.extra->references);
    std::swap(entry.extra->contained, inside);
    objects_.drop_holds(inside);
    if (entry.extra->stream) entry.extra->stream->total = outcome.items;
  }
  count_open(entry, -1);
  objects_.resolve(entry, std::move(outcome.value));
  objects_.unhold(entry);
}

// The task could not read an argument, which is to be made again: it has not started.
bool Tasks::lost_argument(const Entry& task, const Outcome& outcome) {
  return task.kind == Kind::task && !outcome.user_exception && outcome.value.error().code() == ErrorCode::object_lost &&
         task.extra &&
         std::any_of(task.extra->references.begin(), task.extra->references.end(),
                     [](const Entry* reference) { return reference->phase != Phase::resolved; });
}

// A value counts: the task was asked to stop, and finished. Unless it is over its time limit (OWN-15).
void Tasks::end_cancelled(Entry& entry, Outcome& outcome) {
  const bool failed = outcome.value.failed();
  if (!failed && !entry.extra->over_limit) return entry.extra->cancelled.reset();  // it may be made again (OWN-11)
  const std::string end =
      failed ? "and ended with: " + outcome.value.error().message() : std::string("and returned a value too late");
  objects_.free_value(outcome.value);
  outcome.value = Value::of(labels_.cancelled(entry, "while it ran, " + end));
  outcome.user_exception = false;
}

void Tasks::fail(Entry& entry, const Error& error) {
  if (entry.kind == Kind::actor) return context_.fail_actor(*entry.actor, error);
  Actor* actor = entry.kind == Kind::call ? entry.actor : nullptr;
  const bool held_up_others = entry.phase == Phase::waiting && actor != nullptr;
  if (entry.phase == Phase::queued || held_up_others) context_.unlink(entry);
  if (actor == nullptr && entry.lease != nullptr) {
    --entry.lease->in_flight;
    entry.lease = nullptr;
  }
  if (!entry.owned) {
    objects_.resolve(entry, Value::of(error));
    return;
  }
  objects_.free_value(entry.value);
  count_open(entry, -1);
  const Error copy = error;  // may live in an entry that goes away with our holds
  if (entry.extra) {
    objects_.drop_holds(entry.extra->references);
    objects_.drop_holds(entry.extra->contained);
  }
  objects_.resolve(entry, Value::of(copy));
  objects_.unhold(entry);
  if (actor != nullptr) context_.call_ended(*actor, held_up_others);
}

bool Tasks::attempt_lost(Entry& task, const std::string& status) {
  task.lease = nullptr;
  if (cancelled(task)) {
    fail(task, labels_.cancelled(task, about_end("while it ran; the worker process ", first_line(status))));
    return false;
  }
  if (task.max_retries < 0 || task.attempt < task.max_retries) {
    if (!(planted_bug(5) && task.wanted)) ++task.attempt;
    effects_.tried_again(labels_.label_of(task), task.attempt + 1u,
                         about_end("the worker process that ran it ", first_line(status)));
    return true;
  }
  fail(task, Error(ErrorCode::worker_died,
                   about_end(labels_.label_of(task) + " (attempt " + std::to_string(task.attempt + 1) + " of " +
                                 std::to_string(task.max_retries + 1) + "): the worker process that ran it ",
                             status,
                             "; look for a crash in the task, or allow more attempts with TaskOptions::max_retries")));
  return false;
}

// False: it waits for references; true: it is ready to run.
bool Tasks::rebuild(Entry& entry) {
  Lineage::restore(entry);
  ++entry.attempt;
  effects_.tried_again(labels_.label_of(entry), entry.attempt + 1u, "its result was lost");
  count_open(entry, 1);
  objects_.hold(entry);  // the task itself
  entry.phase = Phase::waiting;
  return !await_references(entry);
}

bool Tasks::await_references(Entry& task) {
  if (!task.extra) return false;
  task.extra->unresolved = 0;
  for (Entry* reference : task.extra->references) {
    if (reference->phase == Phase::resolved) continue;
    ++task.extra->unresolved;
    reference->more().dependents.push_back(&task);
    objects_.hold(task);
  }
  if (task.extra->unresolved == 0) return false;
  task.phase = Phase::waiting;
  if (task.kind == Kind::task) task.lease = nullptr;
  return true;
}

void Tasks::count_open(const Entry& entry, std::int64_t change) {
  unfinished_ += static_cast<std::uint64_t>(change);
  if (has_limit(entry)) limited_ += static_cast<std::uint64_t>(change);
}

}  // namespace manta::owner
