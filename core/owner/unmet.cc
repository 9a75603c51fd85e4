#include "core/owner/unmet.h"

#include <algorithm>
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

std::vector<UnmetDemand::Line> UnmetDemand::look(const std::vector<Unmet>& unmet, Time now) {
  for (auto& [index, seen] : seen_) seen.now = false;
  struct Due {
    Line line;
    Time since;
    bool stalled = false;
  };
  std::map<Kind, Due> kinds;
  for (const Unmet& demand : unmet) {
    const auto [it, fresh] = seen_.try_emplace(demand.index, Seen{demand.progress, now, true});
    Seen& seen = it->second;
    seen.now = true;
    if (!fresh && seen.progress != demand.progress) seen = {demand.progress, now, true};
    const auto [kind, first] = kinds.try_emplace({demand.actor, demand.space_bytes > 0, *demand.request, demand.where},
                                                 Due{{demand.index, 0, demand.space_bytes}, seen.since});
    Due& due = kind->second;
    due.line.waiting += demand.waiting;
    due.stalled = due.stalled || now - seen.since >= kFirstLine;
    if (seen.since < due.since) {
      due.line.index = demand.index;
      due.line.space_bytes = demand.space_bytes;
      due.since = seen.since;
    }
  }
  std::erase_if(seen_, [](const auto& seen) { return !seen.second.now; });
  std::erase_if(lines_, [&](const auto& line) { return now - line.second >= kBetweenLines; });
  std::vector<Line> lines;
  for (const auto& [kind, due] : kinds) {
    if (due.stalled && lines_.emplace(kind, now).second) lines.push_back(due.line);
  }
  return lines;
}

// --- what an Owner has to say

namespace {

constexpr DemandIndex kFetched = ~DemandIndex{0};  // values that other processes have asked for

// What its spilled arguments need.
std::uint64_t space_for(const Entry& entry) {
  if (entry.value.kind() == Value::Kind::spilled) return entry.value.spilled().size_bytes;
  std::uint64_t bytes = 0;
  if (!entry.extra) return bytes;
  for (const Entry* argument : entry.extra->references) {
    if (argument->value.kind() == Value::Kind::spilled) bytes += argument->value.spilled().size_bytes;
  }
  return bytes;
}

// The entry whose arguments have no room.
const Entry* starved(const Actor& actor) {
  if (actor.starved_ticks == 0) return nullptr;
  return actor.constructing ? actor.handle : actor.calls.front;
}

}  // namespace

std::vector<Unmet> Owner::unmet() const {
  std::vector<Unmet> all;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const Shape& shape = *shapes_[i];
    Unmet demand{static_cast<DemandIndex>(i), false, &shape.request, shape.where, shape.queue.size, shape.started};
    for (const Lease* lease : shape.leases) {
      if (!lease->blocked && lease->in_flight > 1) demand.waiting += lease->in_flight - 1;
      demand.progress += lease->finished;
    }
    if (shape.starved_ticks > 0 && shape.queue.front != nullptr) demand.space_bytes = space_for(*shape.queue.front);
    if (demand.waiting > 0) all.push_back(std::move(demand));
  }
  for (const auto& [index, actor] : actors_) {
    if (actor->state == Actor::State::pending && actor->demanded) {
      all.push_back({index, true, &actor->request, actor->where, 1, 0, 0});
    } else if (const Entry* first = starved(*actor)) {
      all.push_back({index, true, &actor->request, actor->where, actor->constructing ? 1 : actor->calls.size, 0,
                     space_for(*first)});
    }
  }
  if (!unanswered_.empty()) {
    static const sched::ResourceSet none;
    const Entry& first = *unanswered_.front().entry;
    all.push_back({kFetched, false, &none, {}, unanswered_.size(), first.id.low, space_for(first)});
  }
  return all;
}

std::string Owner::label_of(DemandIndex index) const {
  if (index == kFetched) {
    return unanswered_.empty() ? "an object" : "object " + unanswered_.front().entry->id.to_string();
  }
  if (index >= kFirstActor) {
    const auto it = actors_.find(index);
    if (it == actors_.end() || it->second->handle == nullptr) return "an actor";
    const Entry* call = starved(*it->second);
    return label_of(call != nullptr ? *call : *it->second->handle);
  }
  if (index >= shapes_.size()) return "a task";
  const Shape& shape = *shapes_[index];
  if (shape.queue.front != nullptr) return label_of(*shape.queue.front);
  const Entry* behind = nullptr;  // in a ring, behind another
  table_.for_each([&](const Entry& entry) {
    const bool pushed = entry.kind == Kind::task && entry.owned && entry.phase == Phase::pushed;
    if (pushed && entry.shape == index && (behind == nullptr || entry.position > behind->position)) behind = &entry;
  });
  return behind != nullptr ? label_of(*behind) : "a task";
}

Owner::Obstacle Owner::obstacle(const Entry& first) const {
  const Entry* entry = &first;
  for (int depth = 0; depth < 100 && entry->phase == Phase::waiting && entry->extra; ++depth) {
    const auto& references = entry->extra->references;
    const auto open = std::find_if(references.begin(), references.end(),
                                   [](const Entry* reference) { return reference->phase != Phase::resolved; });
    if (open == references.end()) break;
    entry = *open;
  }
  const auto of_actor = [&](const Actor& actor) -> Obstacle {
    if (!actor.owned && actor.state != Actor::State::alive)
      return {"", "another process has yet to place the actor", {}, 0};
    if (const Entry* blocked = starved(actor)) return {label_of(*blocked), "", actor.index, space_for(*blocked)};
    if (actor.state == Actor::State::starting) return {label_of(*actor.handle), "its constructor runs", {}, 0};
    if (actor.state != Actor::State::pending) return {label_of(*entry), "the actor runs it, or earlier calls", {}, 0};
    return {label_of(*actor.handle), "", actor.index, 0};
  };
  const auto of_shape = [&]() -> Obstacle {
    const bool room = entry->phase == Phase::queued && shapes_[entry->shape]->starved_ticks > 0;
    return {label_of(*entry), "", entry->shape, room ? space_for(*entry) : 0};
  };
  switch (entry->phase) {
    case Phase::queued:
      return entry->kind == Kind::call ? of_actor(*entry->actor) : of_shape();
    case Phase::pushed:
      if (entry->kind == Kind::call) return of_actor(*entry->actor);
      if (entry->lease != nullptr && entry->lease->in_flight > 1) return of_shape();
      return {label_of(*entry), "it runs", {}, 0};
    case Phase::actor:
      return of_actor(*entry->actor);
    case Phase::borrowed:
      return {"", "another process makes the value", {}, 0};
    default:
      return {"", "", {}, 0};
  }
}

}  // namespace manta::owner
