// Compile-time checks of remote calls: one readable first line that names the parameter.
#pragma once

#include <cstddef>
#include <type_traits>

#include <manta/detail/convert.h>
#include <manta/detail/signature.h>
#include <manta/generator.h>
#include <manta/ref.h>
#include <manta/serial/serializable.h>
#include <manta/stream.h>

namespace manta::detail {

// A message must be a literal, so each parameter's number has its own line.
#define MANTA_REQUIRE_FOR_EACH(ok, i, before, after)        \
  static_assert(ok || i != 0, "manta: " before " 1" after); \
  static_assert(ok || i != 1, "manta: " before " 2" after); \
  static_assert(ok || i != 2, "manta: " before " 3" after); \
  static_assert(ok || i != 3, "manta: " before " 4" after); \
  static_assert(ok || i != 4, "manta: " before " 5" after); \
  static_assert(ok || i != 5, "manta: " before " 6" after); \
  static_assert(ok || i < 6, "manta: " before " (one after the sixth)" after)

// Parameter I of a function, of type P.
template <std::size_t I, class P>
consteval bool check_parameter() {
  using Value = std::remove_cvref_t<P>;
  constexpr bool is_output = std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;
  constexpr bool is_pointer = std::is_pointer_v<Value>;
  constexpr bool is_view = serial::detail::View<Value>;
  constexpr bool is_stream_end = is_stream<Value>;
  MANTA_REQUIRE_FOR_EACH(!is_output, I, "parameter",
                         " of the function is a reference to non-const: a task works on copies; take it by value or by "
                         "const reference, and return what changed");
  MANTA_REQUIRE_FOR_EACH(!is_pointer, I, "parameter",
                         " of the function is a raw pointer, which means nothing in another process: take a value, "
                         "std::unique_ptr, std::shared_ptr or manta::Ref");
  MANTA_REQUIRE_FOR_EACH(!is_view, I, "parameter",
                         " of the function is a view, which owns no data: take a std::string or std::vector");
  MANTA_REQUIRE_FOR_EACH(!is_stream_end, I, "parameter",
                         " of the function is a Stream, which belongs to the process that made the call: take a "
                         "manta::Ref, and hand on what next_ref() returns");
  if constexpr (is_output || is_pointer || is_view || is_stream_end) {
    return false;
  } else {
    constexpr bool serializable = serial::Serializable<Value>;
    MANTA_REQUIRE_FOR_EACH(serializable, I, "parameter", " of the function has a type that cannot be serialised");
    if constexpr (!serializable) serial::detail::explain<Value>();  // why
    constexpr bool constructible = std::is_default_constructible_v<Value>;
    MANTA_REQUIRE_FOR_EACH(constructible, I, "parameter",
                           " of the function needs a default constructor, so that it can be read into");
    return serializable && constructible;
  }
}

template <class R>
consteval bool check_result() {
  if constexpr (std::is_void_v<R>) {
    return true;
  } else if constexpr (is_generator<std::remove_cvref_t<R>>) {
    return check_result<typename std::remove_cvref_t<R>::value_type>();
  } else {
    using Value = std::remove_cvref_t<R>;
    static_assert(!std::is_pointer_v<Value>,
                  "manta: the function returns a raw pointer, which means nothing in another process: return a value");
    if constexpr (std::is_pointer_v<Value>) {
      return false;
    } else {
      static_assert(serial::Serializable<Value>, "manta: the function's result has a type that cannot be serialised");
      if constexpr (!serial::Serializable<Value>) serial::detail::explain<Value>();  // why
      static_assert(std::is_default_constructible_v<Value>,
                    "manta: the function's result needs a default constructor, so that it can be read into");
      return serial::Serializable<Value> && std::is_default_constructible_v<Value>;
    }
  }
}

template <class Parameters>
inline constexpr bool parameters_checked = false;
template <class... Ps>
inline constexpr bool parameters_checked<Types<Ps...>> = []<std::size_t... I>(std::index_sequence<I...>) {
  return (0 + ... + (check_parameter<I, Ps>() ? 0 : 1)) == 0;  // not &&, which stops at the first: report them all
}
(std::index_sequence_for<Ps...>());

// Whether an argument of type A is passed as a reference to a future parameter of type Value.
template <class Value, class A>
inline constexpr bool passed_by_reference = is_ref<std::remove_cvref_t<A>> && !std::is_convertible_v<A, Value>;

// Argument I, of type A, for parameter P.
template <std::size_t I, class P, class A>
consteval bool check_argument() {
  using Value = std::remove_cvref_t<P>;
  if constexpr (passed_by_reference<Value, A>) {
    constexpr bool fits = converts_without_loss<typename std::remove_cvref_t<A>::value_type, Value>();
    MANTA_REQUIRE_FOR_EACH(fits, I, "argument",
                           " is a Ref to another type than the parameter: a Ref<T> fits a parameter of type T, of a "
                           "wider number type (long for int), or of std::optional of these");
    return fits;
  } else {
    constexpr bool converts = std::is_convertible_v<A, Value>;
    MANTA_REQUIRE_FOR_EACH(converts, I, "argument", " does not convert to the function's parameter");
    return converts;
  }
}

#undef MANTA_REQUIRE_FOR_EACH

template <class Parameters, class... As>
inline constexpr bool arguments_checked = false;
template <class... Ps, class... As>
inline constexpr bool arguments_checked<Types<Ps...>, As...> = [] {
  constexpr bool count = sizeof...(Ps) == sizeof...(As);
  static_assert(count, "manta: wrong number of arguments: the call gives one for each parameter of the function");
  if constexpr (count) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (0 + ... + (check_argument<I, Ps, As>() ? 0 : 1)) == 0;
    }
    (std::index_sequence_for<Ps...>());
  } else {
    return false;
  }
}();

// All of the above for a call of a function of type F with arguments As.
template <class F, class... As>
consteval bool check_call() {
  using Signature = SignatureOf<F>;
  static_assert(!std::is_member_pointer_v<F>,
                "manta: remote<f> takes a function, and f is a member of a class: call methods of an actor with "
                "actor.call<&T::method>(...), or name a lambda that takes the object as a parameter");
  static_assert(
      Signature::valid || std::is_member_pointer_v<F>,
      "manta: remote<f> takes a function, or a lambda without captures, with one signature (cast overloads to "
      "the one you mean; no auto parameters)");
  if constexpr (Signature::valid) {
    using Parameters = Given<typename Signature::Parameters>;
    static_assert(Parameters::size <= 32, "manta: a remote function takes at most 32 parameters: use a struct");
    if constexpr (!parameters_checked<Parameters> || !check_result<ValueOf<typename Signature::Result>>()) {
      return false;
    } else {
      return arguments_checked<Parameters, As...>;
    }
  } else {
    return false;
  }
}

}  // namespace manta::detail
