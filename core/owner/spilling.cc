// What may leave the store for the spill file, and what must come back.
#include <algorithm>
#include <set>
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

std::vector<Entry*> Owner::spillable(std::uint64_t bytes,
                                     const std::function<bool(const StoredLocation&)>& is_read) const {
  // Tasks that may run now. What their arguments contain is covered by them too: a worker may have asked for its value,
  // and reads it, without being in our books. Values further down were lent to it by name.
  std::set<const Entry*> in_use;  // looked up, never walked
  const auto add = [&](const std::vector<Entry*>& entries) { in_use.insert(entries.begin(), entries.end()); };
  std::vector<Entry*> found;
  table_.for_each([&](Entry& entry) {
    const bool constructs = entry.kind == Kind::actor && entry.owned && entry.actor->state == Actor::State::starting;
    if ((entry.phase == Phase::pushed || entry.phase == Phase::here || constructs) && entry.extra) {
      add(entry.extra->references);
      add(entry.extra->contained);
      for (const Entry* reference : entry.extra->references) {
        if (reference->extra) add(reference->extra->contained);
      }
    }
    const bool has_block = entry.owned && entry.phase == Phase::resolved && entry.value.kind() == Value::Kind::stored &&
                           node_of(entry.value.stored().arena) == node_of(self_);
    if (has_block && !(entry.extra && !entry.extra->borrowers.empty()) && !is_read(entry.value.stored())) {
      found.push_back(&entry);
    }
  });
  std::erase_if(found, [&](const Entry* entry) { return in_use.contains(entry); });
  const auto age = [&](const Entry* entry) { return uses_ - entry->position; };  // right when the count wraps
  std::stable_sort(found.begin(), found.end(), [&](const Entry* a, const Entry* b) { return age(a) > age(b); });
  std::uint64_t together = 0;
  const auto enough = std::find_if(found.begin(), found.end(), [&](const Entry* entry) {
    const bool have = together >= bytes;
    together += entry->value.stored().size_bytes;
    return have;
  });
  found.erase(enough, found.end());
  return found;
}

bool Owner::has_stored_arguments(const Entry& task) {
  if (task.ref_mask == 0) return false;
  const std::vector<Entry*>& references = task.extra->references;
  return std::any_of(references.begin(), references.end(), [](const Entry* reference) {
    return reference->value.kind() == Value::Kind::stored || reference->value.kind() == Value::Kind::spilled;
  });
}

void Owner::pressed() {
  pressed_ticks_ = config_.pressed_ticks;
  for (const auto& [id, lease] : leases_) take_all_back(*lease);
}

void Owner::spilled(Entry& entry, const SpilledExtent& extent) {
  const Value block = Value::at(entry.value.stored(), entry.value.framed());
  if (entry.extra) revoke(entry);
  flush_withdrawals();
  entry.value.move_to(extent);
  count_stored(block, -1);
  effects_.free_stored(block.stored());
}

void Owner::restored(Entry& entry, const StoredLocation& location) {
  const SpilledExtent extent = entry.value.spilled();
  entry.value.move_to(location);
  used(entry);
  count_stored(entry.value, 1);
  effects_.free_spilled(extent);
  if (entry.extra && entry.extra->replication == EntryExtra::Replication::due) leave(entry);
}

void Owner::unreadable(Entry& entry, Error error) {
  free_value(entry.value);
  entry.value = Value::of(std::move(error));
}

// Of a task that is about to be pushed: its lease does not count it yet.
Owner::Arguments Owner::restore_arguments(Entry& task) {
  if (await_references(task)) {  // lost since
    for (Entry* reference : std::vector(task.extra->references)) want(*reference);
    return Arguments::awaited;
  }
  for (Entry* reference : task.extra->references) {
    if (reference->value.kind() == Value::Kind::spilled && !effects_.restore(*reference) &&
        !reference->value.failed()) {
      return Arguments::no_space;
    }
    if (reference->value.failed()) {
      if (task.kind == Kind::task) task.lease = nullptr;
      fail(task, Error(reference->value.error()));
      return Arguments::task_failed;
    }
  }
  return Arguments::present;
}

void Owner::tick_spilled(std::uint32_t ticks) {
  const auto no_space = [this](const std::string& whose) {
    std::string text = whose + " was spilled, and there is no room in the node's store to bring it back; ";
    if (const std::string why = effects_.not_spilled(); !why.empty()) text += why + "; ";
    return Error(ErrorCode::exhausted, text + "drop references to objects, or raise InitOptions::store_capacity_bytes");
  };
  if (pressed_ticks_ > 0) --pressed_ticks_;
  for (const auto& shape : shapes_) {
    if (!std::exchange(shape->starved, false) || (shape->starved_ticks += ticks) < config_.restore_ticks) continue;
    shape->starved_ticks = 0;
    Entry* front = shape->queue.front;
    if (front != nullptr) fail(*front, no_space("an argument of " + label_of(*front)));
  }
  for (const auto& [index, actor] : actors_) {
    if (!std::exchange(actor->starved, false) || (actor->starved_ticks += ticks) < config_.restore_ticks) continue;
    actor->starved_ticks = 0;
    if (actor->constructing) {
      Entry& handle = *actor->handle;
      actor->constructing = false;
      give_back_worker(*actor);
      actor_dead(*actor, no_space("an argument of the constructor of " + label_of(handle)));
      unhold(handle);
      break;
    }
    Entry* front = actor->calls.front;
    if (front == nullptr) continue;
    fail(*front, no_space("an argument of " + label_of(*front)));
    break;  // it may have been the actor's last: the others' turn is at the next tick
  }
  for (Unanswered& waiting : std::exchange(unanswered_, {})) {
    if (!is_dead(waiting.subscriber)) {
      if ((waiting.ticks += ticks) < config_.restore_ticks) {
        const std::size_t before = unanswered_.size();
        answer(*waiting.entry, waiting.subscriber);
        if (unanswered_.size() > before) unanswered_.back().ticks = waiting.ticks;
      } else {
        const Error error = no_space("object " + waiting.entry->id.to_string());
        effects_.send(waiting.subscriber, Fetched{waiting.entry->id, Value::of(error), {}});
      }
    }
    unhold(*waiting.entry);
  }
}

}  // namespace manta::owner
