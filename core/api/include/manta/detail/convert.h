// Which arguments become which parameters: a Ref's type without loss, a value only where it is kept.
#pragma once

#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <manta/detail/shared_value.h>
#include <manta/detail/signature.h>
#include <manta/ref.h>

namespace manta {

template <class T>
class Actor;

namespace detail {

template <class T>
inline constexpr bool is_actor = false;
template <class T>
inline constexpr bool is_actor<Actor<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
concept Number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

// Every value of X is one of P.
template <class X, class P>
consteval bool widens() {
  using From = std::numeric_limits<X>;
  using To = std::numeric_limits<P>;
  if constexpr (std::is_same_v<X, P>) {
    return true;
  } else if constexpr (!std::is_arithmetic_v<X> || !Number<P>) {
    return false;
  } else if constexpr (std::is_floating_point_v<X>) {
    return std::is_floating_point_v<P> && To::digits >= From::digits && To::max_exponent >= From::max_exponent;
  } else {
    return (To::is_signed || !From::is_signed) && To::digits >= From::digits;
  }
}

// Whether a Ref<X> may stand for a parameter of type P: the same type, a wider one, an optional of such, a base's
// handle, a type that reads X's encoding in place.
template <class X, class P>
consteval bool converts_without_loss() {
  if constexpr (widens<X, P>() || Reads<P, X>) {
    return true;
  } else if constexpr (is_optional<P>) {
    return !is_optional<X> && converts_without_loss<X, typename P::value_type>();
  } else {
    return is_actor<X> && is_actor<P> && std::is_convertible_v<X, P>;
  }
}

[[noreturn]] void throw_lossy_argument(std::size_t position, const std::string& value, const std::string& lowest,
                                       const std::string& highest);

std::string text_of(double number);
template <std::integral T>
std::string text_of(T number) {
  return std::to_string(+number);
}

// The value as a P. Throws Error(invalid_argument) where that would be another number. A float takes the nearest one of
// a double.
template <Number P, Number X>
P checked_number(X value, std::size_t index) {
  if constexpr (widens<X, P>()) {
    return static_cast<P>(value);
  } else {
    using To = std::numeric_limits<P>;
    bool fits = true;
    if constexpr (std::is_integral_v<X> && std::is_integral_v<P>) {
      fits = static_cast<X>(static_cast<P>(value)) == value && (static_cast<P>(value) < P{}) == (value < X{});
    } else if constexpr (std::is_integral_v<X>) {  // 2^digits, which it may round to, is no X
      const auto rounded = static_cast<P>(value);
      fits = rounded < static_cast<P>(std::numeric_limits<X>::max() / 2 + 1) * 2 && static_cast<X>(rounded) == value;
    } else if constexpr (std::is_integral_v<P>) {
      fits = value >= static_cast<X>(To::lowest()) && value < static_cast<X>(To::max() / 2 + 1) * 2 &&
             static_cast<X>(static_cast<P>(value)) == value;
    } else {
      fits = !(value > To::max() || value < To::lowest()) || value > std::numeric_limits<X>::max() ||
             value < std::numeric_limits<X>::lowest();  // infinities stay
    }
    if (!fits) [[unlikely]]
      throw_lossy_argument(index + 1, text_of(value), text_of(To::lowest()), text_of(To::max()));
    return static_cast<P>(value);
  }
}

template <class P, class A>
P converted(A&& argument, std::size_t index);

template <class P, class A, std::size_t... I>
P converted_parts(A&& argument, std::size_t index, std::index_sequence<I...>) {
  return P(converted<std::tuple_element_t<I, P>>(std::get<I>(std::forward<A>(argument)), index)...);
}

template <class T>
inline constexpr bool is_tuple_like = false;
template <class... Ts>
inline constexpr bool is_tuple_like<std::tuple<Ts...>> = true;
template <class A, class B>
inline constexpr bool is_tuple_like<std::pair<A, B>> = true;

// Argument `index`, which converts to P, as a P: numbers in it checked, also those of optionals, pairs and tuples.
template <class P, class A>
P converted(A&& argument, std::size_t index) {
  using Given = std::remove_cvref_t<A>;
  if constexpr (std::is_same_v<P, Given>) {
    return std::forward<A>(argument);
  } else if constexpr (Number<P> && Number<Given>) {
    return checked_number<P>(Given{argument}, index);
  } else if constexpr (Number<P> && std::is_enum_v<Given>) {
    return checked_number<P>(static_cast<std::underlying_type_t<Given>>(argument), index);
  } else if constexpr (is_optional<P> && is_optional<Given>) {
    return argument ? P(converted<typename P::value_type>(*std::forward<A>(argument), index)) : P();
  } else if constexpr (is_optional<P> && std::is_arithmetic_v<Given>) {
    return P(converted<typename P::value_type>(std::forward<A>(argument), index));
  } else if constexpr (is_tuple_like<P> && is_tuple_like<Given>) {
    return converted_parts<P>(std::forward<A>(argument), index, std::make_index_sequence<std::tuple_size_v<P>>());
  } else {
    return static_cast<P>(std::forward<A>(argument));
  }
}

// The parameters of a call as they are sent: FromRef where an argument is a Ref to another type.
template <class Sent, class Parameters, class... As>
struct SentOf;
template <class... Sent>
struct SentOf<Types<Sent...>, Types<>> {
  using type = Types<Sent...>;
};
template <class P, class A>
struct SentAs {
  using type = P;
};
template <class P, class X>
requires(!std::is_convertible_v<Ref<X>, std::remove_cvref_t<P>> &&
         !std::is_same_v<X, std::remove_cvref_t<P>>) struct SentAs<P, Ref<X>> {
  using type = FromRef<X, P>;
};
template <class X>
requires(serial::detail::may_be_large<X> && !Injected<X>::value && !is_ref<X> &&
         !is_actor<X>) struct SentAs<const X&, Ref<X>> {
  using type = SharedRef<X>;
};
template <class... Sent, class P, class... Ps, class... As>
requires(Injected<std::remove_cvref_t<P>>::value) struct SentOf<Types<Sent...>, Types<P, Ps...>, As...>
    : SentOf<Types<Sent..., P>, Types<Ps...>, As...> {
};
template <class... Sent, class P, class... Ps, class A, class... As>
requires(!Injected<std::remove_cvref_t<P>>::value) struct SentOf<Types<Sent...>, Types<P, Ps...>, A, As...>
    : SentOf<Types<Sent..., typename SentAs<P, A>::type>, Types<Ps...>, As...> {
};
template <class Parameters, class... As>
using Sent = typename SentOf<Types<>, Parameters, std::remove_cvref_t<As>...>::type;

}  // namespace detail
}  // namespace manta
