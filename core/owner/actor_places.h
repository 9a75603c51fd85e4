// The owner's side of where an actor is: processes that have asked are notified of each place until they die.
//
// Threading: none of its own (the owner's lock). Ownership: the subscribers are part of the actor.
#pragma once

#include "core/owner/actor.h"
#include "core/owner/messages.h"

namespace manta::owner {

class ActorPlaceEffects {
 public:
  virtual ~ActorPlaceEffects() = default;
  virtual void send(ClientId to, PeerMessage message) = 0;
};

class ActorPlaces {
 public:
  explicit ActorPlaces(ActorPlaceEffects& effects) : effects_(effects) {}
  // Notifies the process now, and whenever the actor moves or ends, whether it is a borrower or not: it may have
  // released one borrow and call through another, before either is announced.
  void subscribe(Actor& actor, ClientId subscriber);
  void tell_all(const Actor& actor) const;

 private:
  void tell(const Actor& actor, ClientId subscriber) const;

  ActorPlaceEffects& effects_;
};

}  // namespace manta::owner
