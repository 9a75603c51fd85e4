// Results that lay on a node that died, and how they are made again.
#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/owner/owner.h"

namespace manta::owner {

// Of a task that has ended with that result. True: its arguments are kept.
bool Owner::keep_lineage(Entry& entry, const Value& result) {
  const bool elsewhere = result.kind() == Value::Kind::stored && node_of(result.stored().arena) != node_of(self_);
  const bool repeatable = entry.max_retries < 0 || entry.attempt < entry.max_retries;
  if (!elsewhere || !repeatable || entry.kind != Kind::task) return false;
  EntryExtra& extra = entry.more();
  extra.lineage = std::make_unique<EntryExtra::Lineage>();
  extra.lineage->arguments = std::move(entry.value);
  extra.lineage->references = std::exchange(extra.references, {});
  extra.lineage->contained = std::exchange(extra.contained, {});
  return true;
}

void Owner::drop_lineage(Entry& entry) {
  if (!entry.extra || !entry.extra->lineage) return;
  const auto lineage = std::move(entry.extra->lineage);
  free_value(lineage->arguments);
  drop_holds(lineage->references);
  drop_holds(lineage->contained);
}

void Owner::lose_values(NodeId node, const std::string& status) {
  std::vector<Entry*> lost;
  table_.for_each([&](Entry& entry) {
    const bool there = entry.phase == Phase::resolved && entry.value.kind() == Value::Kind::stored &&
                       node_of(entry.value.stored().arena) == node;
    if (!there) return;
    hold(entry);
    lost.push_back(&entry);
  });
  for (Entry* entry : lost) lose_value(*entry, status);
  drop_holds(lost);
}

void Owner::lose_value(Entry& entry, const std::string& status) {
  const Value gone = std::move(entry.value);
  count_stored(gone, -1);
  const bool again = entry.owned ? entry.extra && entry.extra->lineage : !is_dead(entry.owner);
  if (!again) {
    entry.value = Value::of(Error(ErrorCode::object_lost,
                                  about_end("object " + entry.id.to_string() + " is lost: the process that held it ",
                                            status, "; tasks are repeated as TaskOptions::max_retries allows")));
    return;
  }
  if (entry.extra) revoke(entry);
  entry.resolved.store(false, std::memory_order_release);
  entry.wanted = false;
  entry.phase = entry.owned ? Phase::lost : Phase::borrowed;
  if (entry.extra) drop_holds(entry.extra->contained);  // they come with the next value
}

// False: it waits for references; true: it is ready to run.
bool Owner::rebuild(Entry& entry) {
  const auto lineage = std::move(entry.extra->lineage);
  entry.value = std::move(lineage->arguments);
  entry.extra->references = std::move(lineage->references);
  entry.extra->contained = std::move(lineage->contained);
  ++entry.attempt;
  effects_.tried_again(label_of(entry), entry.attempt + 1u, "its result was lost");
  count_open(entry, 1);
  hold(entry);  // the task itself
  entry.phase = Phase::waiting;
  return !await_references(entry);
}

// Enters the task, which is in no queue, with each of its references that is not there. True: there is one.
bool Owner::await_references(Entry& task) {
  if (!task.extra) return false;
  task.extra->unresolved = 0;
  for (Entry* reference : task.extra->references) {
    if (reference->phase == Phase::resolved) continue;
    ++task.extra->unresolved;
    reference->more().dependents.push_back(&task);
    hold(task);
  }
  if (task.extra->unresolved == 0) return false;
  task.phase = Phase::waiting;
  if (task.kind == Kind::task) task.lease = nullptr;
  return true;
}

}  // namespace manta::owner
