#include "core/owner/actor_waits.h"

namespace manta::owner {

using State = Actor::State;

const Entry* starved(const Actor& actor) {
  if (actor.starved_ticks == 0) return nullptr;
  return actor.constructing ? actor.handle : actor.calls.front;
}

void add_unmet(const Actor& actor, std::vector<Unmet>& all) {
  if (actor.state == State::pending && actor.demanded) {
    all.push_back({actor.index, true, &actor.request, actor.where, 1, 0, 0});
  } else if (const Entry* first = starved(actor)) {
    const std::uint64_t waiting = actor.constructing ? 1 : actor.calls.size;
    all.push_back({actor.index, true, &actor.request, actor.where, waiting, 0, space_for(*first)});
  }
}

Obstacle obstacle_of_actor(const Entry& entry, const Labels& labels) {
  const Actor& actor = *entry.actor;
  if (!actor.owned && actor.state != State::alive) return {"", "another process has yet to place the actor", {}, 0};
  if (const Entry* blocked = starved(actor)) return {labels.label_of(*blocked), "", actor.index, space_for(*blocked)};
  if (actor.state == State::starting) return {labels.label_of(*actor.handle), "its constructor runs", {}, 0};
  if (actor.state == State::pending) return {labels.label_of(*actor.handle), "", actor.index, 0};
  return {labels.label_of(entry), "the actor runs it, or earlier calls", {}, 0};
}

}  // namespace manta::owner
