// Function objects as tasks: how one travels with its captures or fields.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <manta/detail/call_checks.h>
#include <manta/detail/convert.h>
#include <manta/detail/signature.h>
#include <manta/function.h>
#include <manta/serialize.h>

namespace manta::detail {

template <class F>
inline constexpr bool travels_as_value = serial::Serializable<F>&& std::is_default_constructible_v<F>;

// A lambda with captures, as far as a program can tell: C++ cannot list what it captures, only copy its bytes.
// (Not is_trivially_copyable: g++ 12 says no once a program has asked whether the lambda can be assigned.)
template <class F>
inline constexpr bool travels_as_bytes =
    std::is_class_v<F> && !std::is_aggregate_v<F> && !std::is_copy_assignable_v<F> &&
    !std::is_default_constructible_v<F> && std::is_trivially_copy_constructible_v<F> &&
    std::is_trivially_destructible_v<F>;

// A function object in transit; in the worker made anew for each attempt.
template <class F>
struct Closure {
  std::optional<F> function;
};

// Throws Error(invalid_argument) where a word of the bytes is an address on the calling thread's stack.
void refuse_stack_addresses(const void* bytes, std::size_t size, std::string_view name);

template <class F>
consteval bool check_closure() {
  static_assert(std::is_class_v<F>,
                "manta: remote<>(f) takes a lambda or another function object; a function is a template argument: "
                "remote<f>(arguments...)");
  if constexpr (!std::is_class_v<F>) {
    return false;
  } else {
    constexpr bool one_signature = SignatureOf<F>::valid;
    static_assert(one_signature,
                  "manta: remote<>(f) takes a function object with one operator() (no auto parameters, no overloads)");
    if constexpr (!one_signature) {
      return false;
    } else {
      constexpr bool travels = travels_as_value<F> || std::is_empty_v<F> || travels_as_bytes<F>;
      constexpr bool is_lambda = !std::is_aggregate_v<F> && !std::is_default_constructible_v<F>;
      static_assert(
          travels || !is_lambda,
          "manta: this lambda captures something that is more than its bytes (a std::string, a vector, a Ref, "
          "...), and C++ cannot list captures: pass it as an argument of the call, or write a struct that has "
          "it as a field, with an operator()");
      static_assert(travels || is_lambda,
                    "manta: this function object cannot travel to a worker: make it a plain aggregate of serialisable "
                    "fields with an operator(), or give it a serialize function and a default constructor");
      if constexpr (!travels && !is_lambda) serial::detail::explain<F>();  // why
      static_assert(Given<typename SignatureOf<F>::Parameters>::size <= 31,
                    "manta: a function object takes at most 31 parameters: use a struct");
      return travels;
    }
  }
}

template <class Parameters, class F>
struct WithClosure;
template <class... Ps, class F>
struct WithClosure<Types<Ps...>, F> {
  using type = Types<Ps..., Closure<F>>;
};

// The call of an F, which is sent after the arguments.
template <class F, class File, class Sent>
struct ClosureCallee;
template <class F, class File, class... Ps>
struct ClosureCallee<F, File, Types<Ps...>> {
  using Parameters = Types<Ps..., Closure<F>>;
  using Result = std::remove_cvref_t<typename SignatureOf<F>::Result>;
  template <class... Vs>
  static decltype(auto) call(Arguments&, Vs&&... values) {
    return call(std::forward_as_tuple(std::forward<Vs>(values)...), std::index_sequence_for<Ps...>());
  }
  static std::string_view name() { return class_label<F>(); }

 private:
  template <class Values, std::size_t... I>
  static decltype(auto) call(Values&& values, std::index_sequence<I...>) {
    F& function = *std::get<sizeof...(I)>(values).function;
    return function(std::forward<std::tuple_element_t<I, Values>>(std::get<I>(values))...);
  }
};

}  // namespace manta::detail

template <class F>
struct manta::serial::Codec<manta::detail::Closure<F>> {
  static void save(Writer& writer, const manta::detail::Closure<F>& closure) {
    if constexpr (std::is_empty_v<F>) {
      static_assert(std::is_default_constructible_v<F>);
    } else if constexpr (manta::detail::travels_as_value<F>) {
      writer(*closure.function);
    } else {
      writer.put_bytes(&*closure.function, sizeof(F));
    }
  }
  static void load(Reader& reader, manta::detail::Closure<F>& closure) {
    if constexpr (std::is_empty_v<F>) {
      closure.function.emplace();
    } else if constexpr (manta::detail::travels_as_value<F>) {
      reader(closure.function.emplace());
    } else {
      alignas(F) std::byte bytes[sizeof(F)];
      reader.get_bytes(bytes, sizeof(F));
      closure.function.emplace(*std::launder(reinterpret_cast<const F*>(bytes)));
    }
  }
};
