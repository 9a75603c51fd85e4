#include "core/owner/objects.h"

#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/planted_bug.h"

namespace manta::owner {

Entry& Objects::make(const ObjectId& id, std::uint32_t refs) {
  Entry& entry = table_.allocate();
  entry.id = id;
  entry.owned = true;
  entry.refs.store(refs, std::memory_order_relaxed);
  return entry;
}

Entry* Objects::put(ObjectId id, Value value, std::vector<Entry*> contained) {
  Entry& entry = make(id, 1);
  if (!contained.empty()) entry.more().contained = std::move(contained);
  entry.value = std::move(value);
  entry.phase = Phase::resolved;
  used(entry);
  entry.resolved.store(true, std::memory_order_release);
  return &entry;
}

void Objects::hold(Entry& entry) {
  const bool release_to_come = entry.refs.fetch_add(1, std::memory_order_relaxed) == 0;
  if (release_to_come && !planted_bug(9)) ++entry.late_releases;  // OWN-7
}

void Objects::drop_holds(std::vector<Entry*>& held) {
  const std::vector<Entry*> entries = std::exchange(held, {});
  for (Entry* entry : entries) unhold(*entry);
}

void Objects::release_last(Entry& entry) {
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

void Objects::free_entry(Entry& entry) {
  events_.freeing(entry);
  if (entry.phase == Phase::resolved) count_stored(entry.value, -1);
  if (entry.owned) {
    free_value(entry.value);
  } else {
    events_.released(entry);
  }
  if (!entry.extra) {
    table_.free(entry);
    return;
  }
  std::vector<Entry*> references = std::move(entry.extra->references);  // of an actor's constructor
  std::vector<Entry*> contained = std::move(entry.extra->contained);
  std::vector<Entry*> dependents = std::move(entry.extra->dependents);  // of a borrowed one that never came
  table_.free(entry);
  drop_holds(references);
  drop_holds(contained);
  drop_holds(dependents);
}

void Objects::make_findable(Entry& entry) {
  constexpr std::uint64_t kNamesake = std::uint64_t{1} << 62;
  while (!table_.index(entry)) entry.id = entry.id.put(kNamesake);
}

void Objects::resolve(Entry& entry, Value value) {
  entry.value = std::move(value);
  count_stored(entry.value, 1);
  entry.phase = Phase::resolved;
  used(entry);
  entry.resolved.store(true, std::memory_order_release);
  if (entry.watched || entry.extra) events_.resolved(entry);
  if (!entry.extra || entry.extra->dependents.empty()) return;
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
        events_.argument_failed(*task, next->value.error());
      } else if (--task->extra->unresolved == 0) {
        events_.arguments_ready(*task);
      }
      unhold(*task);
    }
    unhold(*next);
  }
  propagating_ = false;
}

void Objects::count_elsewhere(const StoredLocation& location, int change) {
  const ClientId arena = location.arena;
  std::uint64_t& count = stored_in_[arena];
  count += static_cast<std::uint64_t>(static_cast<std::int64_t>(change));
  if (change < 0) effects_.unused(location);
  if (count != 0) return;
  stored_in_.erase(arena);
  if (deaths_.announced(arena)) effects_.arena_unused(arena);
}

void Objects::lose_values(NodeId node, const std::string& status) {
  std::vector<Entry*> lost;
  table_.for_each([&](Entry& entry) {
    const bool there = entry.phase == Phase::resolved && entry.value.in_arena() && node_of(entry.value.arena()) == node;
    if (!there) return;
    hold(entry);
    lost.push_back(&entry);
  });
  for (Entry* entry : lost) lose_value(*entry, status);
  drop_holds(lost);
}

void Objects::lose_value(Entry& entry, const std::string& status) {
  const Value gone = std::move(entry.value);
  count_stored(gone, -1);
  const bool again = entry.owned ? entry.extra && entry.extra->lineage : !deaths_.contains(entry.owner);
  if (!again) {
    entry.value = Value::of(Error(ErrorCode::object_lost,
                                  about_end("object " + entry.id.to_string() + " is lost: the process that held it ",
                                            status, "; tasks are repeated as TaskOptions::max_retries allows")));
    return;
  }
  if (entry.extra) events_.value_leaves(entry);
  entry.resolved.store(false, std::memory_order_release);
  entry.wanted = false;
  entry.phase = entry.owned ? Phase::lost : Phase::borrowed;
  if (entry.extra) drop_holds(entry.extra->contained);  // they come with the next value
}

std::string Objects::check_invariants() const {
  std::string broken;
  table_.for_each([&](const Entry& entry) {
    if (entry.refs.load() == 0 && entry.late_releases == 0) broken = "OWN-3: live entry without references";
  });
  return broken;
}

}  // namespace manta::owner
