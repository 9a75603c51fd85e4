// Actors: objects of a class of the user's, each in a worker process of its own, called by reference from anywhere.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <manta/detail/call_checks.h>
#include <manta/detail/method.h>
#include <manta/detail/runtime_api.h>
#include <manta/function.h>
#include <manta/options.h>
#include <manta/ref.h>
#include <manta/remote.h>
#include <manta/serialize.h>

namespace manta {

/// A handle of an actor of class T. Handles are copied, given to tasks and other actors, and kept in values; the actor
/// lives as long as any of them, in any process, and as the process that created it. When the last one is gone, its
/// destructor runs and its process ends.
///
/// Calls of one process to one actor start in the order in which they were made (with max_concurrency 1 they run one
/// after another, too; methods that return manta::Task take turns in one thread, see there); a call whose arguments are
/// not there yet holds up those behind it. An exception that the method throws arrives at get(), and the actor lives
/// on.
///
/// Where the actor's process dies: calls that had not started go to its next life if ActorOptions::max_restarts allows
/// one (the constructor runs again with the same arguments); calls that had started fail with unavailable, or are
/// repeated as ActorOptions::max_task_retries allows. When there is no next life, calls fail with actor_died.
///
/// An Actor<Derived> converts to Actor<Base>, also as an argument of a task and in containers; find_actor asks by the
/// class that was created.
///
/// **Threading**: as Ref. **Errors**: call() throws what remote<f>(...) throws.
///
///     auto counter = manta::actor<Counter>.options({.max_restarts = 2, .name = "hits"})(10);
///     manta::Ref<int> hits = counter.call<&Counter::increment>(5);
template <class T>
class Actor {
 public:
  constexpr Actor() noexcept = default;
  /// The handle of an actor whose class derives from T (publicly, not ambiguously): calls of T's methods run on its
  /// object, virtual ones as its class overrides them. The handle is the same: it compares equal and keeps it alive.
  template <class Derived>
  requires(!std::is_same_v<Derived, T> && std::is_convertible_v<Derived*, T*>) Actor(const Actor<Derived>& other)
  noexcept {
    if (other.entry_or_null() == nullptr) return;
    (void)detail::BaseHandle<Derived, T>::registered;
    detail::retain(other.entry_or_null());
    handle_ = Ref<Object>::adopt(other.entry_or_null());
  }

  /// M: a method of T (of overloads: call<static_cast<int (T::*)(int)>(&T::f)>), or a lambda without captures whose
  /// first parameter is a T&. The arguments are as those of remote<f>.
  template <auto M, class File = ThisFile, class... As>
  auto call(As&&... arguments) const {
    if constexpr (detail::check_method<T, decltype(M), As...>()) {
      return detail::call_with<T, M, File>(&handle_.entry(), CallOptions{}, std::forward<As>(arguments)...);
    }
  }

  /// The same with options: actor.options({.stream_buffer = 4}).call<&Reader::rows>().
  class WithOptions {
   public:
    WithOptions(const Actor& actor, const CallOptions& options) : actor_(actor), options_(options) {}
    template <auto M, class File = ThisFile, class... As>
    auto call(As&&... arguments) const {
      if constexpr (detail::check_method<T, decltype(M), As...>()) {
        return detail::call_with<T, M, File>(&actor_.entry(), options_, std::forward<As>(arguments)...);
      }
    }

   private:
    const Actor& actor_;
    CallOptions options_;
  };
  [[nodiscard("call a method: actor.options({...}).call<&T::method>(arguments...)")]] WithOptions options(
      const CallOptions& options) const {
    return WithOptions(*this, options);
  }

  /// False for an empty handle: default-constructed or moved from.
  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  /// Whether both are handles of the same actor.
  friend bool operator==(const Actor&, const Actor&) noexcept = default;

  /// For the runtime.
  static Actor adopt(detail::EntryHead* entry) noexcept {
    Actor actor;
    actor.handle_ = Ref<Object>::adopt(entry);
    return actor;
  }
  detail::EntryHead* entry_or_null() const noexcept { return handle_.entry_or_null(); }
  detail::EntryHead& entry() const { return handle_.entry(); }

 private:
  struct Object {};
  Ref<Object> handle_;
};

template <class T>
struct serial::Codec<Actor<T>> {
  static void save(Writer& writer, const Actor<T>& actor) { writer.put_ref(actor.entry_or_null()); }
  static void load(Reader& reader, Actor<T>& actor) { actor = Actor<T>::adopt(reader.get_ref()); }
};

/// actor<T>(arguments...) makes a T in a worker process of its own and returns a handle at once; an exception of the
/// constructor arrives with the first call's result. A Ref<X> among the arguments is awaited where T is constructible
/// from the X, else it is given to the constructor as it is.
///
/// **Errors**: throws Error(invalid_argument) for invalid options and for a name that is taken; else as
/// remote<f>. Blocks only where a name is given.
template <class T, class File = ThisFile>
class ActorClass {
 public:
  class WithOptions {
   public:
    constexpr explicit WithOptions(const ActorOptions& options) : options_(options) {}
    template <class... As>
    Actor<T> operator()(As&&... arguments) const {
      return create(options_, std::forward<As>(arguments)...);
    }

   private:
    ActorOptions options_;
  };

  template <class... As>
  Actor<T> operator()(As&&... arguments) const {
    return create(ActorOptions{}, std::forward<As>(arguments)...);
  }
  [[nodiscard("call it: actor<T>.options({...})(arguments...)")]] constexpr WithOptions options(
      const ActorOptions& options) const {
    return WithOptions(options);
  }

 private:
  template <class... As>
  static Actor<T> create(const ActorOptions& options, As&&... arguments) {
    if constexpr (detail::check_constructor<T, As...>()) {
      using Parameters = typename detail::ConstructorOf<T, As...>::Parameters;
      const ActorOptions complete = detail::with_concurrency(options, detail::has_coroutine_methods<T>());
      return Actor<T>::adopt(
          detail::create_actor_with(detail::Registered<detail::ConstructorCallee<T, File, Parameters>>::id, complete,
                                    detail::class_identity<T>(), Parameters(), std::forward<As>(arguments)...));
    } else {
      return {};
    }
  }
};

/// actor<T>: see ActorClass.
template <class T, class File = ThisFile>
inline constexpr ActorClass<T, File> actor{};

/// The actor that was created with ActorOptions::name, anywhere in the cluster; nothing: there is none, or it is dead.
/// Throws Error(invalid_argument) if it is of another class. Blocks for one question to the head.
template <class T>
[[nodiscard]] std::optional<Actor<T>> find_actor(std::string_view name) {
  detail::EntryHead* entry = detail::find_actor(name, detail::class_identity<T>());
  if (entry == nullptr) return std::nullopt;
  return Actor<T>::adopt(entry);
}

/// For kill().
struct KillOptions {
  bool restart = false;  ///< counts as a crash: the actor restarts if ActorOptions::max_restarts allows it
};

/// Ends the actor's process at once, without its destructor; calls that are not done fail with actor_died.
template <class T>
void kill(const Actor<T>& actor, KillOptions options = {}) {
  detail::kill_actor(&actor.entry(), options.restart);
}

}  // namespace manta

template <class T>
struct std::hash<manta::Actor<T>> {
  std::size_t operator()(const manta::Actor<T>& actor) const noexcept {
    return std::hash<const void*>()(actor.entry_or_null());
  }
};
