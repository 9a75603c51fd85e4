#include "core/owner/spilling.h"

#include <algorithm>
#include <set>
#include <utility>

namespace manta::owner {

std::vector<Entry*> Spilling::spillable(std::uint64_t bytes,
                                        const std::function<bool(const StoredLocation&)>& is_read) const {
  // Tasks that may run now. What their arguments contain is covered by them too: a worker may have asked for its value,
  // and reads it, without being counted here. Values further down it has borrowed by name.
  std::set<const Entry*> in_use;  // looked up, never walked
  const auto add = [&](const std::vector<Entry*>& entries) { in_use.insert(entries.begin(), entries.end()); };
  std::vector<Entry*> found;
  objects_.table().for_each([&](Entry& entry) {
    const bool constructs = entry.kind == Kind::actor && entry.owned && entry.actor->state == Actor::State::starting;
    if ((entry.phase == Phase::pushed || entry.phase == Phase::here || constructs) && entry.extra) {
      add(entry.extra->references);
      add(entry.extra->contained);
      for (const Entry* reference : entry.extra->references) {
        if (reference->extra) add(reference->extra->contained);
      }
    }
    const bool has_block = entry.owned && entry.phase == Phase::resolved && entry.value.in_arena() &&
                           node_of(entry.value.arena()) == node_of(objects_.self());
    if (has_block && !(entry.extra && !entry.extra->borrowers.empty()) && !is_read(entry.value.stored())) {
      found.push_back(&entry);
    }
  });
  std::erase_if(found, [&](const Entry* entry) { return in_use.contains(entry); });
  std::stable_sort(found.begin(), found.end(),
                   [&](const Entry* a, const Entry* b) { return objects_.age(*a) > objects_.age(*b); });
  std::uint64_t together = 0;
  const auto enough = std::find_if(found.begin(), found.end(), [&](const Entry* entry) {
    const bool have = together >= bytes;
    together += entry->value.stored().size_bytes;
    return have;
  });
  found.erase(enough, found.end());
  return found;
}

void Spilling::spilled(Entry& entry, const SpilledExtent& extent) {
  const Value block = Value::at(entry.value.stored(), entry.value.framed());
  context_.leaves_memory(entry);
  entry.value.move_to(extent);
  objects_.count_stored(block, -1);
  effects_.free(block.location());
}

void Spilling::restored(Entry& entry, const StoredLocation& location) {
  const Location extent = entry.value.location();
  entry.value.move_to(location);
  objects_.used(entry);
  objects_.count_stored(entry.value, 1);
  effects_.free(extent);
  context_.in_memory(entry);
}

void Spilling::unreadable(Entry& entry, Error error) {
  objects_.free_value(entry.value);
  entry.value = Value::of(std::move(error));
}

// Of a task that is about to be pushed: its lease does not count it yet.
Arguments Spilling::bring_arguments(Entry& task) {
  if (context_.await_references(task)) {  // lost since
    for (Entry* reference : std::vector(task.extra->references)) context_.want(*reference);
    return Arguments::awaited;
  }
  for (Entry* reference : task.extra->references) {
    if (reference->value.spilled() && !effects_.restore(*reference) && !reference->value.failed()) {
      return Arguments::no_space;
    }
    if (reference->value.failed()) {
      if (task.kind == Kind::task) task.lease = nullptr;
      context_.fail(task, Error(reference->value.error()));
      return Arguments::task_failed;
    }
  }
  return Arguments::present;
}

Error Spilling::no_space(const std::string& what) const {
  std::string text = what + " was spilled, and there is no space in the node's store to bring it back; ";
  if (const std::string why = effects_.not_spilled(); !why.empty()) text += why + "; ";
  return Error(ErrorCode::exhausted, text + "drop references to objects, or raise InitOptions::store_capacity_bytes");
}

}  // namespace manta::owner
