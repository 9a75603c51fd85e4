#include "core/owner/actor_places.h"

#include <algorithm>

#include "core/owner/entry.h"

namespace manta::owner {

void ActorPlaces::subscribe(Actor& actor, ClientId subscriber) {
  auto& subscribers = actor.subscribers;
  if (std::find(subscribers.begin(), subscribers.end(), subscriber) == subscribers.end()) {
    subscribers.push_back(subscriber);
  }
  tell(actor, subscriber);
}

void ActorPlaces::tell(const Actor& actor, ClientId subscriber) const {
  if (actor.state == Actor::State::alive) {
    effects_.send(subscriber, ActorAt{actor.handle->id, actor.worker, actor.restarts_left,
                                      actor.limits.max_task_retries, actor.limits.max_concurrency});
  } else if (actor.state == Actor::State::dead) {
    actor.handle->seen = true;
    effects_.send(subscriber, ActorGone{actor.handle->id, Value::of(actor.error)});
  }
}

void ActorPlaces::tell_all(const Actor& actor) const {
  for (const ClientId& subscriber : actor.subscribers) tell(actor, subscriber);
}

}  // namespace manta::owner
