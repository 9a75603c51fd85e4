// Methods and constructors of actors: their signatures, their checks, and how they are called in the worker.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <manta/detail/call_checks.h>
#include <manta/detail/label.h>
#include <manta/detail/signature.h>
#include <manta/function.h>
#include <manta/remote.h>
#include <manta/stream.h>

namespace manta::detail {

// --- methods

// Result and Parameters of a method of T, or of a function object that takes a T& first.
template <class T, class M>
struct MethodOf {
  static constexpr bool valid = false;
};
template <bool Valid, class R, class... Ps>
struct MethodSignature {
  static constexpr bool valid = Valid;
  using Result = R;
  using Parameters = Types<Ps...>;
};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...)> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...) const> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...)&> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...) const&> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...)& noexcept> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...) const& noexcept> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...) noexcept> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class C, class R, class... Ps>
struct MethodOf<T, R (C::*)(Ps...) const noexcept> : MethodSignature<std::is_base_of_v<C, T>, R, Ps...> {};
template <class T, class Result, class Parameters>
struct MethodOfFunction {
  static constexpr bool valid = false;
};
template <class T, class Result, class Self, class... Ps>
struct MethodOfFunction<T, Result, Types<Self, Ps...>>
    : MethodSignature<std::is_lvalue_reference_v<Self> && std::is_convertible_v<T&, Self>, Result, Ps...> {};
template <class T, class M>
requires(!std::is_member_pointer_v<M> && SignatureOf<M>::valid) struct MethodOf<T, M>
    : MethodOfFunction<T, typename SignatureOf<M>::Result, typename SignatureOf<M>::Parameters> {
};

// Whether the program calls methods of T that return Task: known before main, as registration is.
template <class T>
struct CoroutineMethods {
  struct OfBase {
    bool (*any)();
    OfBase* next;
  };
  static constinit inline bool any = false;
  static constinit inline OfBase* bases = nullptr;  // those whose handles handles of T become
};
template <class T>
bool has_coroutine_methods() {
  if (CoroutineMethods<T>::any) return true;
  for (auto* base = CoroutineMethods<T>::bases; base != nullptr; base = base->next) {
    if (base->any()) return true;
  }
  return false;
}
// Naming registered says that the program makes handles of Base from those of T.
template <class T, class Base>
struct BaseHandle {
  static const bool registered;
};
template <class T, class Base>
const bool BaseHandle<T, Base>::registered = [] {
  static constinit typename CoroutineMethods<T>::OfBase base{&has_coroutine_methods<Base>, nullptr};
  base.next = std::exchange(CoroutineMethods<T>::bases, &base);
  return true;
}();

// Identity of a class within a module.
template <class T>
struct ClassTag {
  static inline char tag = 0;
};

[[noreturn]] void throw_no_base(std::string_view base);

// The actor's object as one of its bases. Handlers of exceptions find public bases, wherever in the object they lie.
template <class T>
T* base_of(const ActorInstance& actor, std::string_view name) {
  thread_local std::pair<void*, T*> last;  // throwing takes a microsecond
  if (last.first == actor.object) return last.second;
  try {
    actor.throw_pointer(actor.object);
  } catch (T* base) {
    last = {actor.object, base};
    return base;
  } catch (...) {  // a pointer to another class
  }
  throw_no_base(name);
}

// Sent: as for FunctionCallee.
template <class T, auto F, class File, class Sent = typename MethodOf<T, decltype(F)>::Parameters>
struct MethodCallee {
  using Parameters = Sent;
  using Result = std::remove_cvref_t<typename MethodOf<T, decltype(F)>::Result>;
  template <class... Vs>
  static decltype(auto) call(Arguments& arguments, Vs&&... values) {
    const ActorInstance& actor = *arguments.actor;
    T* const object = actor.type == &ClassTag<T>::tag ? static_cast<T*>(actor.object) : base_of<T>(actor, name());
    return std::invoke(F, *object, std::forward<Vs>(values)...);
  }
  static std::string_view name() { return method_label<T, F, File>(); }
  static void registered() {
    if constexpr (is_task<Result>) CoroutineMethods<T>::any = true;
  }
};

template <class T, class M, class... As>
consteval bool check_method() {
  using Method = MethodOf<T, M>;
  static_assert(
      Method::valid,
      "manta: call<&T::method> takes a method of the actor's class (cast overloads to the one you mean), or a "
      "lambda without captures that takes the actor as T& first");
  if constexpr (Method::valid) {
    using Parameters = Given<typename Method::Parameters>;
    static_assert(Parameters::size <= 32, "manta: a remote method takes at most 32 parameters: use a struct");
    if constexpr (!parameters_checked<Parameters> || !check_result<ValueOf<typename Method::Result>>()) {
      return false;
    } else {
      return arguments_checked<Parameters, As...>;
    }
  } else {
    return false;
  }
}

template <bool Streams, class... Ps, class... As>
EntryHead* call_method_sent(EntryHead* actor, FunctionId method, const CallOptions& options, Types<Ps...>,
                            const As&... arguments) {
  CallArguments<sizeof...(Ps)> call;
  if constexpr (Streams) call.values(options.stream_buffer);
  std::size_t index = 0;
  (call.template add<Ps>(index++, arguments), ...);
  return call_actor(
      {actor, method, call.values, call.ref_mask, std::span(call.references.data(), call.ref_count), options, Streams});
}

template <bool Streams, class... Ps, class... As>
EntryHead* call_method(EntryHead* actor, FunctionId method, const CallOptions& options, Types<Ps...> parameters,
                       As&&... arguments) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return call_method_sent<Streams>(actor, method, options, parameters,
                                     as_sent<Ps>(std::forward<As>(arguments), I)...);
  }
  (std::index_sequence_for<As...>());
}

// M of T, called: what the caller gets.
template <class T, auto M, class File, class... As>
auto call_with(EntryHead* actor, const CallOptions& options, As&&... arguments) {
  using Signature = MethodOf<T, decltype(M)>;
  using Result = std::remove_cvref_t<typename Signature::Result>;
  return CallResult<ValueOf<Result>>::type::adopt(call_method<is_generator<Result>>(
      actor, Registered<MethodCallee<T, M, File, Sent<typename Signature::Parameters, As...>>>::id, options,
      Given<typename Signature::Parameters>(), std::forward<As>(arguments)...));
}

// --- constructors

// The type in which an argument of type A travels: text as std::string, a Ref<X> as X, all else as itself.
template <class A>
struct Travelling {
  using type =
      std::conditional_t<!std::is_same_v<A, std::string> && std::is_convertible_v<A, std::string_view>, std::string, A>;
};
template <class X>
struct Travelling<Ref<X>> {
  using type = X;
};

template <class T, class... Ps>
inline constexpr bool constructible = std::is_constructible_v<T, Ps...> || requires {
  T{std::declval<Ps>()...};
};

template <class T, class... As>
struct ConstructorOf {
  using Awaited = Types<typename Travelling<std::decay_t<As>>::type...>;
  using AsGiven = Types<
      std::conditional_t<is_ref<std::decay_t<As>>, std::decay_t<As>, typename Travelling<std::decay_t<As>>::type>...>;
  template <class Parameters>
  struct Fits;
  template <class... Ps>
  struct Fits<Types<Ps...>> : std::bool_constant<constructible<T, Ps...>> {};
  using Parameters = std::conditional_t<Fits<Awaited>::value, Awaited, AsGiven>;
  static constexpr bool valid = Fits<Parameters>::value;
};

template <class T, class File, class Given>
struct ConstructorCallee;
template <class T, class File, class... Ps>
struct ConstructorCallee<T, File, Types<Ps...>> {
  using Parameters = Types<Ps...>;
  using Result = void;
  template <class... Vs>
  static void call(Arguments& arguments, Vs&&... values) {
    if constexpr (std::is_constructible_v<T, Ps...>) {
      arguments.actor->object = new T(std::forward<Vs>(values)...);
    } else {
      arguments.actor->object = new T{std::forward<Vs>(values)...};
    }
    arguments.actor->type = &ClassTag<T>::tag;
    arguments.actor->destroy = [](void* object) { delete static_cast<T*>(object); };
    arguments.actor->throw_pointer = [](void* object) { throw static_cast<T*>(object); };
    arguments.actor->coroutines = has_coroutine_methods<T>();
  }
  static std::string_view name() { return class_label<T>(); }
};

template <class T, class... As>
consteval bool check_constructor() {
  static_assert(std::is_class_v<T>, "manta: actor<T> takes a class");
  static_assert(
      !std::is_abstract_v<T>,
      "manta: actor<T>: T is abstract (it has a pure virtual method): make an actor of a class that implements "
      "it; manta::Actor<T> then holds its handle");
  static_assert(std::is_abstract_v<T> || !std::is_class_v<T> || std::is_destructible_v<T>,
                "manta: actor<T>: T's destructor is private or deleted: Manta has to destroy the object");
  if constexpr (!std::is_class_v<T> || std::is_abstract_v<T> || !std::is_destructible_v<T>) {
    return false;
  } else {
    using Constructor = ConstructorOf<T, As...>;
    static_assert(Constructor::valid, "manta: actor<T>(arguments...): T has no constructor that takes these arguments");
    static_assert(sizeof...(As) <= 32, "manta: an actor's constructor takes at most 32 arguments: use a struct");
    if constexpr (!Constructor::valid) {
      return false;
    } else {
      return parameters_checked<typename Constructor::Parameters>;
    }
  }
}

inline ActorOptions with_concurrency(ActorOptions options, bool coroutines) {
  if (options.max_concurrency == 0) options.max_concurrency = coroutines ? ActorOptions::kDefaultCoroutines : 1;
  return options;
}

template <class... Ps, class... As>
EntryHead* create_actor_sent(FunctionId constructor, const ActorOptions& options, std::string_view type, Types<Ps...>,
                             const As&... arguments) {
  CallArguments<sizeof...(Ps)> call;
  std::size_t index = 0;
  (call.template add<Ps>(index++, arguments), ...);
  return create_actor(
      {constructor, options, type, call.values, call.ref_mask, std::span(call.references.data(), call.ref_count)});
}

template <class... Ps, class... As>
EntryHead* create_actor_with(FunctionId constructor, const ActorOptions& options, std::string_view type,
                             Types<Ps...> parameters, As&&... arguments) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return create_actor_sent(constructor, options, type, parameters, as_sent<Ps>(std::forward<As>(arguments), I)...);
  }
  (std::index_sequence_for<As...>());
}

}  // namespace manta::detail
