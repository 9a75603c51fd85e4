// Life of entries: made, resolved, retried, freed. Leases and queues: dispatch.cc; other processes: borrowing.cc.
#include "core/owner/owner.h"

#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"

namespace manta::owner {

Owner::Owner(ClientId self, OwnerConfig config, OwnerEffects& effects)
    : self_(self), config_(config), effects_(effects), limits_(config.limit_grace) {}

Owner::~Owner() = default;

Entry* Owner::submit(NewTask task) { return launch(std::move(task), Kind::task, nullptr); }

Entry* Owner::launch(NewTask task, Kind kind, Actor* actor) {
  Entry& entry = table_.allocate();
  entry.id = task.id;
  entry.owned = true;
  entry.kind = kind;
  entry.function = task.function;
  entry.shape = task.shape;
  entry.max_retries = task.max_retries;
  entry.retry_exceptions = task.retry_exceptions;
  entry.ref_mask = task.ref_mask;
  entry.value = std::move(task.arguments);
  entry.phase = Phase::waiting;
  // One for the caller, one for the task itself until it resolves (it runs even if no Ref to it is left).
  entry.refs.store(kind == Kind::actor ? 1 : 2, std::memory_order_relaxed);
  if (task.limit.count() != 0) entry.more().limit = task.limit;
  if (kind != Kind::actor) count_open(entry, 1);
  if (kind == Kind::actor) actor->handle = &entry;
  if (kind != Kind::task) entry.actor = actor;
  if (kind == Kind::call) {
    link(entry, false);  // OWN-10: its place is taken, whether its arguments are there or not
    if (actor->open_calls++ == 0) hold(*actor->handle);
  }
  if (!task.name.empty()) entry.more().name = std::move(task.name);
  if (!task.contained.empty()) entry.more().contained = std::move(task.contained);

  if (task.stream_buffer) open_stream(entry, *task.stream_buffer);
  Entry* failed = nullptr;
  if (!task.references.empty()) {
    EntryExtra& extra = entry.more();
    extra.references = std::move(task.references);
    for (Entry* reference : extra.references) hold(*reference);
    for (Entry* reference : extra.references) {
      want(*reference);  // which fails it at once if its owner is dead
      if (reference->phase == Phase::resolved) {
        if (reference->value.failed() && failed == nullptr) failed = reference;
        continue;
      }
      ++extra.unresolved;
      reference->more().dependents.push_back(&entry);
      hold(entry);  // one for each place in a list of dependents
    }
  }
  if (failed != nullptr) {
    failed->seen = true;
    fail(entry, failed->value.error());
  } else if (!entry.extra || entry.extra->unresolved == 0) {
    ready(entry);
  }
  return &entry;
}

// Its arguments are there.
void Owner::ready(Entry& entry) {
  if (entry.kind == Kind::task) {
    enqueue(entry, entry.wanted);
    dispatch(*shapes_[entry.shape]);
    update_demand(entry.shape);
  } else if (entry.kind == Kind::call) {
    entry.phase = Phase::queued;
    dispatch(*entry.actor);
  } else {
    entry.phase = Phase::actor;
    demand_worker(*entry.actor);
  }
}

Entry* Owner::put(ObjectId id, Value value, std::vector<Entry*> contained) {
  Entry& entry = table_.allocate();
  entry.id = id;
  entry.owned = true;
  entry.refs.store(1, std::memory_order_relaxed);
  if (!contained.empty()) entry.more().contained = std::move(contained);
  entry.value = std::move(value);
  entry.phase = Phase::resolved;
  used(entry);
  entry.resolved.store(true, std::memory_order_release);
  return &entry;
}

void Owner::hold(Entry& entry) {
  const bool release_to_come = entry.refs.fetch_add(1, std::memory_order_relaxed) == 0;
  if (release_to_come && !planted_bug(9)) ++entry.late_releases;  // OWN-7
}

void Owner::unhold(Entry& entry) {
  if (entry.refs.fetch_sub(1, std::memory_order_acq_rel) == 1) release_last(entry);
}

void Owner::drop_holds(std::vector<Entry*>& held) {
  const std::vector<Entry*> entries = std::exchange(held, {});
  for (Entry* entry : entries) unhold(*entry);
}

void Owner::release_last(Entry& entry) {
  if (entry.late_releases > 0) {  // OWN-7: held again since; the last release frees it
    --entry.late_releases;
    return;
  }
  to_free_.push_back(&entry);
  if (freeing_) return;
  freeing_ = true;
  while (!to_free_.empty()) {
    Entry* next = to_free_.back();
    to_free_.pop_back();
    free_entry(*next);
  }
  freeing_ = false;
}

void Owner::free_value(Value& value) {
  if (value.kind() == Value::Kind::stored) effects_.free_stored(value.stored());
  if (value.kind() == Value::Kind::spilled) effects_.free_spilled(value.spilled());
  value = Value();
}

void Owner::count_stored(const Value& value, int change) {
  if (value.kind() != Value::Kind::stored || value.stored().arena == self_) return;
  const ClientId arena = value.stored().arena;
  std::uint64_t& count = stored_in_[arena];
  count += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
  if (change < 0) effects_.stored_unused(value.stored());
  if (count != 0) return;
  stored_in_.erase(arena);
  if (dead_.contains(arena)) effects_.arena_unused(arena);
}

void Owner::count_open(const Entry& entry, int change) {
  unfinished_ += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
  limits_.count(entry, change);
}

void Owner::free_entry(Entry& entry) {
  report_if_unread(entry);
  if (entry.kind == Kind::actor) handle_gone(*entry.actor);
  if (entry.extra) revoke(entry);
  if (entry.phase == Phase::resolved) count_stored(entry.value, -1);
  if (entry.owned) {
    free_value(entry.value);
  } else if (entry.extra && entry.extra->counted_borrows != 0) {
    effects_.send(entry.owner, RemoveBorrower{entry.id, entry.extra->counted_borrows});
  }
  if (!entry.extra) {
    table_.free(entry);
    return;
  }
  drop_lineage(entry);
  std::vector<Entry*> references = std::move(entry.extra->references);  // of an actor's constructor
  std::vector<Entry*> contained = std::move(entry.extra->contained);
  std::vector<Entry*> dependents = std::move(entry.extra->dependents);  // of a borrowed one that never came
  table_.free(entry);
  drop_holds(references);
  drop_holds(contained);
  drop_holds(dependents);
}

// What the program ends itself, and what ends with its actor or the runtime, is no news.
void Owner::report_if_unread(Entry& entry) {
  if (!entry.owned || entry.seen || entry.watched) return;
  if (entry.kind == Kind::actor) {
    if (entry.actor->state != Actor::State::dead || !entry.actor->not_made) return;
    entry.seen = true;
    return effects_.unread_failure(label_of(entry), entry.actor->error);
  }
  if (entry.phase != Phase::resolved || !entry.value.failed()) return;
  if (cancelled(entry) && !entry.extra->over_limit) return;
  const Error& error = entry.value.error();
  const ErrorCode code = error.code();
  if (code == ErrorCode::cancelled || code == ErrorCode::unavailable || code == ErrorCode::actor_died) return;
  entry.seen = true;
  effects_.unread_failure(label_of(entry), error);
}

void Owner::report_unread() {
  table_.for_each([&](Entry& entry) { report_if_unread(entry); });
}

void Owner::finished(Entry& entry, Outcome outcome) {
  if (entry.kind == Kind::actor) return constructed(entry, std::move(outcome));
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
    inside.push_back(import(ref, true));
    if (ran_in == self_ && inside.back()->owned) add_borrower(*inside.back(), self_, -1);
  }
  if (!(planted_bug(8) && outcome.user_exception)) announce_kept(entry, outcome.kept, ran_in);
  const bool again = outcome.user_exception && entry.retry_exceptions && actor == nullptr &&
                     (entry.max_retries < 0 || entry.attempt < entry.max_retries);
  if (again) {
    free_value(outcome.value);
    drop_holds(inside);
    ++entry.attempt;
    effects_.tried_again(label_of(entry), entry.attempt + 1u, "it threw");
    enqueue(entry, true);
    dispatch(*shapes_[entry.shape]);
    update_demand(entry.shape);
  } else if (lost_argument(entry, outcome)) {
    free_value(outcome.value);
    drop_holds(inside);
    (void)await_references(entry);
    for (Entry* reference : entry.extra->references) want(*reference);
  } else {
    if (!keep_lineage(entry, outcome.value)) free_value(entry.value);
    if (outcome.value.failed()) drop_holds(inside);  // of a value that came too late
    if (!inside.empty()) entry.more();
    if (entry.extra) {
      drop_holds(entry.extra->references);
      std::swap(entry.extra->contained, inside);
      drop_holds(inside);
    }
    count_open(entry, -1);
    if (entry.extra && entry.extra->stream) entry.extra->stream->total = outcome.items;
    resolve(entry, std::move(outcome.value));
    unhold(entry);
  }
  if (lease != nullptr) after_finish(*lease);
  if (actor != nullptr) {
    dispatch(*actor);
    close_call(*actor);
  }
}

// The task could not read an argument, which is to be made again: it has not started.
bool Owner::lost_argument(const Entry& task, const Outcome& outcome) {
  return task.kind == Kind::task && outcome.value.failed() && !outcome.user_exception &&
         outcome.value.error().code() == ErrorCode::object_lost && task.extra &&
         std::any_of(task.extra->references.begin(), task.extra->references.end(),
                     [](const Entry* reference) { return reference->phase != Phase::resolved; });
}

// A reference among the task's arguments, or inside them.
Entry* Owner::find_argument(const Entry& task, const ObjectId& id) {
  if (!task.extra) return nullptr;
  const auto find_in = [&](const std::vector<Entry*>& entries) {
    const auto it = std::find_if(entries.begin(), entries.end(), [&](const Entry* e) { return e->id == id; });
    return it == entries.end() ? nullptr : *it;
  };
  if (Entry* found = find_in(task.extra->contained)) return found;
  if (Entry* found = find_in(task.extra->references)) return found;
  for (const Entry* reference : task.extra->references) {
    if (!reference->extra) continue;
    if (Entry* found = find_in(reference->extra->contained)) return found;
  }
  return nullptr;
}

void Owner::resolve(Entry& entry, Value value) {
  entry.value = std::move(value);
  count_stored(entry.value, 1);
  entry.phase = Phase::resolved;
  used(entry);
  entry.resolved.store(true, std::memory_order_release);
  if (entry.extra && entry.extra->stream) update_ready(entry);
  if (entry.watched) effects_.resolved(entry);
  if (!entry.extra) return;
  if (entry.extra->replication == EntryExtra::Replication::due) leave(entry);
  for (const ClientId& subscriber : std::exchange(entry.extra->subscribers, {})) answer(entry, subscriber);
  if (entry.extra->dependents.empty()) return;
  hold(entry);  // for the loop below
  to_propagate_.push_back(&entry);
  if (propagating_) return;
  propagating_ = true;
  while (!to_propagate_.empty()) {
    Entry* next = to_propagate_.back();
    to_propagate_.pop_back();
    for (Entry* task : std::exchange(next->extra->dependents, {})) {
      if (task->phase != Phase::waiting) {
        // Failed already, for another of its references.
      } else if (next->value.failed()) {
        next->seen = true;
        fail(*task, next->value.error());
      } else if (--task->extra->unresolved == 0) {
        ready(*task);
      }
      unhold(*task);
    }
    unhold(*next);
  }
  propagating_ = false;
}

void Owner::fail(Entry& entry, const Error& error) {
  if (entry.kind == Kind::actor) return actor_dead(*entry.actor, error);
  Actor* actor = entry.kind == Kind::call ? entry.actor : nullptr;
  const bool held_up_others = entry.phase == Phase::waiting && actor != nullptr;
  if (entry.phase == Phase::queued || held_up_others) unlink(entry);
  if (actor == nullptr && entry.lease != nullptr) {
    --entry.lease->in_flight;
    entry.lease = nullptr;
  }
  if (!entry.owned) {
    resolve(entry, Value::of(error));
    return;
  }
  free_value(entry.value);
  count_open(entry, -1);
  const Error copy = error;  // may live in an entry that goes away with our holds
  if (entry.extra) {
    drop_holds(entry.extra->references);
    drop_holds(entry.extra->contained);
  }
  resolve(entry, Value::of(copy));
  unhold(entry);
  if (held_up_others) dispatch(*actor);
  if (actor != nullptr) close_call(*actor);
}

void Owner::attempt_lost(Entry& entry, const std::string& status) {
  entry.lease = nullptr;
  if (cancelled(entry))
    return fail(entry, cancelled_error(entry, about_end("while it ran; the worker process ", first_line(status))));
  if (entry.max_retries < 0 || entry.attempt < entry.max_retries) {
    if (!(planted_bug(5) && entry.wanted)) ++entry.attempt;
    effects_.tried_again(label_of(entry), entry.attempt + 1u,
                         about_end("the worker process that ran it ", first_line(status)));
    enqueue(entry, true);
    return;
  }
  fail(entry, Error(ErrorCode::worker_died,
                    about_end(label_of(entry) + " (attempt " + std::to_string(entry.attempt + 1) + " of " +
                                  std::to_string(entry.max_retries + 1) + "): the worker process that ran it ",
                              status,
                              "; look for a crash in the task, or allow more attempts with TaskOptions::max_retries")));
}

std::string Owner::name_of(const Entry& entry) const {
  if (entry.extra && !entry.extra->name.empty()) return entry.extra->name;
  if (config_.function_name != nullptr) return config_.function_name(entry.function);
  return entry.id.to_string();
}

std::string Owner::label_of(const Entry& entry) const {
  if (entry.extra && !entry.extra->label.empty()) return entry.extra->label;
  return (entry.kind == Kind::actor ? "actor " : entry.kind == Kind::call ? "call of " : "task ") + name_of(entry);
}

void Owner::fail_all(const Error& error) {
  drop_forced();
  std::vector<Entry*> constructing;
  for (auto it = actors_.begin(); it != actors_.end();) {
    Actor& actor = *it->second;
    if (std::exchange(actor.constructing, false)) constructing.push_back(actor.handle);
    actor.lease = {};
    actor.worker = {};
    actor.link = nullptr;
    actor.in_flight = 0;
    it = actor.state == Actor::State::ending ? actors_.erase(it) : std::next(it);
  }
  std::vector<Entry*> open;
  table_.for_each([&](Entry& entry) {
    if (entry.phase == Phase::waiting || entry.phase == Phase::queued || entry.phase == Phase::pushed ||
        entry.phase == Phase::borrowed || entry.phase == Phase::actor) {
      hold(entry);
      open.push_back(&entry);
    }
  });
  table_.for_each([&](Entry& entry) {
    if (entry.phase != Phase::lost) return;
    entry.value = Value::of(error);
    entry.phase = Phase::resolved;
    entry.resolved.store(true, std::memory_order_release);
  });
  for (Entry* entry : open) {
    if (entry->phase != Phase::resolved && entry->phase != Phase::here) fail(*entry, error);
  }
  drop_holds(open);
  drop_holds(constructing);
  while (!leases_.empty()) drop_lease(*leases_.begin()->second, false);
  for (const auto& shape : shapes_) shape->wanted = 0;
}

std::string Owner::check_invariants() const {
  std::uint64_t open = 0;
  std::map<const Lease*, std::uint64_t> pushed;  // looked up, never walked
  std::string broken;
  table_.for_each([&](Entry& entry) {
    if (entry.owned && entry.phase != Phase::resolved && entry.phase != Phase::lost && entry.kind != Kind::actor) {
      ++open;
    }
    if (entry.phase == Phase::pushed && entry.kind == Kind::task) ++pushed[entry.lease];
    if (entry.refs.load() == 0 && entry.late_releases == 0) broken = "OWN-3: live entry without references";
  });
  if (!broken.empty()) return broken;
  if (open != unfinished_) return "OWN-1: unfinished count differs from the table";
  for (const auto& [id, lease] : leases_) {
    const auto it = pushed.find(lease.get());
    if ((it == pushed.end() ? 0 : it->second) != lease->in_flight)
      return "OWN-4: tasks in flight differ from the table";
  }
  for (const auto& shape : shapes_) {
    std::uint64_t n = 0;
    for (const Entry* e = shape->queue.front; e != nullptr; e = e->next) {
      ++n;
      if (e->phase != Phase::queued) return "OWN-4: queued task in another phase";
    }
    if (n != shape->queue.size) return "OWN-4: queue length differs";
  }
  return check_actors();
}

}  // namespace manta::owner
