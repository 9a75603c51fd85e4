// The fields of a plain aggregate: how many, of which types, and references to them.
//
// Boost.PFR does the same, but g++ 12 crashes on its way of counting where a field is a std::array of strings, and it
// takes a C array for as many fields as it has elements.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <cstddef>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include <manta/serial/tie_fields.h>

namespace manta::serial::detail {

/// Converts to whatever a field is. (Const: so that optional's own constructor wins over this, without ambiguity.)
/// Never called; but clang wants a body where T has no linkage.
struct AnyField {
  template <class T>
  operator T() const {
    std::abort();
  }
};
template <std::size_t>
using AnyFieldAt = AnyField;

/// Converts to base classes of T only.
template <class T>
struct AnyBaseOf {
  template <class U>
  requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>) operator U() const;
};

/// T{x, x, ...} with the given number of initialisers.
template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { T{AnyFieldAt<I>{}...}; };
}
template <class T, std::size_t Count>
inline constexpr bool takes_initialisers = takes<T>(std::make_index_sequence<Count>());

/// T{x, ..., {}, x, ...}: some, then an empty pair of braces, then some.
template <class T, std::size_t... Before, std::size_t... After>
constexpr bool takes_braces(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{AnyFieldAt<Before>{}..., {}, AnyFieldAt<After>{}...}; };
}
template <class T, std::size_t Before, std::size_t After>
inline constexpr bool takes_braces_between = takes_braces<T>(std::make_index_sequence<Before>(),
                                                             std::make_index_sequence<After>());

inline constexpr std::size_t kMaxInitialisers = 256;

/// The most initialisers that T takes: its fields, with each element of a C array counted. T is default-constructible,
/// so fewer are fine too.
template <class T, std::size_t Count = 0>
constexpr std::size_t initialisers() {
  if constexpr (Count < kMaxInitialisers && takes_initialisers<T, Count + 1>) {
    return initialisers<T, Count + 1>();
  } else {
    return Count;
  }
}

/// Number of initialisers for the field that the one at Position begins: its elements for a C array, else 1. A pair of
/// braces stands for all of them, so that as many fewer may follow.
template <class T, std::size_t Position, std::size_t Total, std::size_t Length = 1>
constexpr std::size_t extent() {
  if constexpr (Position + Length > Total) {
    return 1;
  } else if constexpr (takes_braces_between<T, Position, Total - Position - Length>) {
    return Length;
  } else {
    return extent<T, Position, Total, Length + 1>();
  }
}

template <class T, std::size_t Position, std::size_t Total>
constexpr std::size_t count_fields() {
  if constexpr (Position >= Total) {
    return 0;
  } else {
    return 1 + count_fields<T, Position + extent<T, Position, Total>(), Total>();
  }
}

template <class T>
inline constexpr std::size_t field_count = count_fields<T, 0, initialisers<T>()>();

template <class T>
inline constexpr bool has_base = requires {
  T{AnyBaseOf<T>{}};
};

/// Converts to unions only.
struct AnyUnion {
  template <class T>
  requires std::is_union_v<T>
  operator T() const;
};

/// T{x, ..., union, x, ...}.
template <class T, std::size_t... Before, std::size_t... After>
constexpr bool takes_union(std::index_sequence<Before...>, std::index_sequence<After...>) {
  return requires { T{AnyFieldAt<Before>{}..., AnyUnion{}, AnyFieldAt<After>{}...}; };
}
/// Whether a field is a union, with a name or without.
template <class T>
inline constexpr bool has_union_field = []<std::size_t... I>(std::index_sequence<I...>) {
  constexpr std::size_t total = sizeof...(I);
  return (takes_union<T>(std::make_index_sequence<I>(), std::make_index_sequence<total - I - 1>()) || ...);
}
(std::make_index_sequence<initialisers<T>()>());

template <class T>
concept SimpleAggregate = std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_polymorphic_v<T> &&
                          std::is_default_constructible_v<T> && (std::is_empty_v<T> || !has_base<T>);

/// std::tuple of references to the fields.
template <class T>
constexpr auto fields_of(T& value) {
  return tie_fields<field_count<std::remove_const_t<T>>>(value);
}
template <class T>
using FieldRefs = decltype(fields_of(std::declval<T&>()));

template <class T>
inline constexpr bool has_bit_field = std::is_same_v<FieldRefs<T>, BitFields>;
template <class T>
requires(std::is_empty_v<T> || has_union_field<T>) inline constexpr bool has_bit_field<T> = false;

/// A class that can be taken apart into its fields.
template <class T>
concept Decomposable = SimpleAggregate<T> && !has_union_field<T> && !has_bit_field<T>;

}  // namespace manta::serial::detail
