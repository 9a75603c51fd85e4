// Finds an actor that this process made again, without a handle that keeps it alive. For Manta's libraries, not for
// programs.
#pragma once

#include <optional>

#include <manta/actor.h>
#include <manta/ids.h>

namespace manta::detail {

// The id of an actor. Threading: any. Errors: throws Error(unavailable) without a runtime.
ObjectId actor_id(EntryHead* actor);

// The actor with this id, with a reference for the caller. Null: this process did not make it, its last handle is gone,
// or it is dead. One lock, no message.
//
// Threading: any. Errors: throws Error(unavailable) without a runtime.
EntryHead* lock_actor(const ObjectId& id);

// Names an actor of this process, as std::weak_ptr names an object: it keeps nothing alive.
//
// Threading: any. Ownership: none of the actor. Errors: both functions throw Error(unavailable) without a runtime.
template <class T>
class WeakActor {
 public:
  explicit WeakActor(const Actor<T>& actor) : id_(actor_id(&actor.entry())) {}

  // A handle, as long as another one exists in any process and the actor is not dead; else nothing.
  std::optional<Actor<T>> lock() const {
    EntryHead* entry = lock_actor(id_);
    if (entry == nullptr) return std::nullopt;
    return Actor<T>::adopt(entry);
  }

 private:
  ObjectId id_;
};

}  // namespace manta::detail
