// Which types can be serialised, and a readable reason why one cannot.
#pragma once

#include <manta/serial/traits.h>

namespace manta::serial {

namespace detail {

/// Vectors that are one block of memory, copied as such.
template <class T>
concept BulkVector = is_a<T, std::vector> && Bulk<typename T::value_type>;

template <class T>
inline constexpr bool is_plain_pointer = false;
template <class T>
requires PlainPointee<T>
inline constexpr bool is_plain_pointer<std::unique_ptr<T>> = true;
template <class T>
requires PlainPointee<T>
inline constexpr bool is_plain_pointer<std::shared_ptr<T>> = true;

/// Types of the standard library that Writer and Reader know; for others include cereal's header (cereal/types/...).
template <class T>
concept HandledStd = String<T> || Sequence<T> || SetLike<T> || MapLike<T> || TupleLike<T> || is_std_array<T> ||
    is_a<T, std::optional> || is_a<T, std::variant> || is_plain_pointer<T>;

template <class T, class... Seen>
consteval bool serializable();

/// Types named by a template's arguments from the first on: tuple, pair, variant.
template <class T, class... Seen>
struct AllSerializable;
template <template <class...> class Template, class... As, class... Seen>
struct AllSerializable<Template<As...>, Seen...> {
  static constexpr bool value = (serializable<As, Seen...>() && ...);
};

template <class Fields, class... Seen>
struct FieldsSerializable;
template <class... Fs, class... Seen>
struct FieldsSerializable<std::tuple<Fs&...>, Seen...> {
  static constexpr bool value = (serializable<Fs, Seen...>() && ...);
};

template <class T, class... Seen>
consteval bool std_serializable() {
  if constexpr (String<T>) {
    return Bulk<typename T::value_type>;
  } else if constexpr (MapLike<T>) {
    return serializable<typename T::key_type, Seen...>() && serializable<typename T::mapped_type, Seen...>();
  } else if constexpr (TupleLike<T> || is_a<T, std::variant>) {
    return AllSerializable<T, Seen...>::value;
  } else if constexpr (is_a<T, std::unique_ptr> || is_a<T, std::shared_ptr>) {
    return serializable<std::remove_const_t<typename T::element_type>, Seen...>();
  } else {
    return serializable<typename T::value_type, Seen...>();
  }
}

/// Seen: aggregates that are being looked at (a type may contain itself behind a pointer or in a vector).
template <class T, class... Seen>
consteval bool serializable() {
  if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return true;
  } else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) {
    return false;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || Bulk<T> || std::is_same_v<T, std::monostate> ||
                       std::is_same_v<T, std::nullptr_t>) {
    return true;
  } else if constexpr (std::is_array_v<T>) {
    return serializable<std::remove_extent_t<T>, Seen...>();
  } else if constexpr (!std::is_class_v<T> || View<T>) {
    return false;
  } else if constexpr (HandledStd<T>) {
    return std_serializable<T, Seen...>();
  } else if constexpr (HasCodec<T>) {
    if constexpr (requires { typename Codec<T>::Parts; }) {
      return AllSerializable<typename Codec<T>::Parts, Seen...>::value;
    } else {
      return true;
    }
  } else if constexpr (HasOwnFunctions<T>) {
    return output_functions<T> == 1 && input_functions<T> == 1;
  } else if constexpr (PlainAggregate<T>) {
    if constexpr (std::is_empty_v<T>) {
      return true;
    } else {
      return FieldsSerializable<FieldRefs<T>, Seen..., T>::value;
    }
  } else {
    return false;
  }
}

}  // namespace detail

/// Whether Writer and Reader take T: numbers, enums, the usual types of the standard library, types with cereal's
/// functions, plain aggregates, manta::Ref, tensors (with <manta/torch.h>); and what is composed of them. What the
/// user's own functions write is not looked into.
template <class T>
concept Serializable = detail::serializable<T>();

namespace detail {

template <class T>
concept SimpleWithUnion = !HasOwnFunctions<T> && SimpleAggregate<T> && !is_std_array<T> && has_union_field<T>;
template <class T>
concept SimpleWithBitField = !HasOwnFunctions<T> && SimpleAggregate<T> && !is_std_array<T> && has_bit_field<T>;

template <class T>
concept PointerOfCereal = (is_a<T, std::unique_ptr> ||
                           is_a<T, std::shared_ptr>)&&!PlainPointee<typename T::element_type>;

/// Where an aggregate's field lies, for the compiler to name: "Config::weights".
template <class T>
struct Example {
  T value;
};
template <class T>
extern Example<T> example;
template <class T, std::size_t I>
constexpr auto field_address() {
  return &std::get<I>(fields_of(example<T>.value));
}
/// Deleted, so that the first line of the error names the field.
template <auto Field>
void this_field_cannot_be_serialised() = delete;

template <class T>
consteval void explain();

/// The first of the types, fields of T if that is not void, that cannot be serialised, and why.
template <class T, class Types, std::size_t I = 0>
consteval void explain_first() {
  if constexpr (I < std::tuple_size_v<Types>) {
    using Part = std::remove_cvref_t<std::tuple_element_t<I, Types>>;
    if constexpr (serializable<Part>()) {
      explain_first<T, Types, I + 1>();
    } else {
#ifndef __clang__  // which does not take the address
      if constexpr (!std::is_void_v<T>) {
        using Refused [[maybe_unused]] = decltype(this_field_cannot_be_serialised<field_address<T, I>()>());
      }
#endif
      explain<Part>();
    }
  }
}

template <template <class...> class Template, class... As>
std::tuple<As...> arguments_of(const Template<As...>*);

/// Fails to compile, with a first line that says what is wrong with T.
template <class T>
consteval void explain() {
  if constexpr (std::is_reference_v<T>) {
    static_assert(!sizeof(T*), "manta: references cannot be serialised: use a value, or manta::Ref");
  } else if constexpr (std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>) {
    static_assert(!sizeof(T), "manta: functions cannot be serialised: name them as template arguments, remote<f>");
  } else if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T>) {
    static_assert(
        !sizeof(T),
        "manta: raw pointers cannot be serialised: use a value, std::unique_ptr, std::shared_ptr or manta::Ref");
  } else if constexpr (View<T>) {
    static_assert(!sizeof(T), "manta: views own no data and cannot be serialised: use std::string or std::vector");
  } else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) {
    static_assert(!sizeof(T), "manta: const and volatile members cannot be serialised");
  } else if constexpr (std::is_union_v<T>) {
    static_assert(!sizeof(T), "manta: unions cannot be serialised: use std::variant");
  } else if constexpr (SimpleWithUnion<T>) {
    static_assert(!sizeof(T),
                  "manta: a union, with a name or without, among the fields of this type cannot be serialised: use "
                  "std::variant, or give the type a serialize function");
  } else if constexpr (SimpleWithBitField<T>) {
    static_assert(
        !sizeof(T),
        "manta: this type has a bit-field, which no reference can refer to: give the type a serialize function, "
        "or make it a field of its own (bool, std::uint8_t)");
  } else if constexpr (PlainAggregate<T>) {
#ifdef __clang__
    static_assert(!sizeof(T*), "manta: a field of this struct cannot be serialised");
#endif
    explain_first<T, FieldRefs<T>>();
  } else if constexpr (EigenExpression<T> && !HasCodec<T>) {
    static_assert(!sizeof(T*),
                  "manta: maps, blocks and expressions of Eigen own no data and cannot be serialised: use an "
                  "Eigen::Matrix or Eigen::Array; expression.eval() makes one");
  } else if constexpr (PointerOfCereal<T> && !HasOwnFunctions<T>) {
    static_assert(!sizeof(T*),
                  "manta: pointers to polymorphic types and to types with load_and_construct are cereal's: include "
                  "<cereal/types/polymorphic.hpp> or <cereal/types/memory.hpp> before the first use");
  } else if constexpr (HandledStd<T> || HasCodec<T>) {
    static_assert(!sizeof(T*),
                  "manta: a part of this type cannot be serialised (a raw pointer, a view, a class without "
                  "serialize, ...): give the type a serialize function, or change that part");
    if constexpr (requires { typename T::value_type; }) {
      explain_first<void, std::tuple<typename T::value_type>>();
    } else if constexpr (TupleLike<T> || is_a<T, std::variant>) {
      explain_first<void, decltype(arguments_of(static_cast<const T*>(nullptr)))>();
    }
  } else if constexpr (HasOwnFunctions<T>) {
    static_assert(!sizeof(T*),
                  "manta: this type needs exactly one way to save and one to load: serialize, or save and "
                  "load, or save_minimal and load_minimal; see cereal::specialize");
  } else {
    static_assert(!sizeof(T*),
                  "manta: this type cannot be serialised: give it a serialize function (cereal's "
                  "conventions) or make it a plain aggregate; mutexes, threads, streams and "
                  "std::function stay in their process");
  }
}

}  // namespace detail
}  // namespace manta::serial
