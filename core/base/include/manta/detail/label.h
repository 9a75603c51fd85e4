/// Labels: what errors, timelines and printed lines call a function, a method or a class. Not for users.
///
/// A label is the name as the source has it: "square", "ns::fit<double>", "Counter::increment". Anonymous namespaces,
/// enclosing functions and the compiler's own words are left out. A lambda is "lambda at file.cc:12" (clang) or
/// "lambda(int) in main" (g++, which does not tell the line).
///
/// A library whose class or function object stands for one of the user's has a static member
/// `static std::string_view manta_label()` that returns the user's label: `function_label<Loop, File>()`.
///
/// Threading: any thread. Ownership: labels live until the process ends.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace manta::detail {

/// The label in what a compiler says of a template argument F: "... [with auto F = &ns::C::m; File = ...]" (g++),
/// "... [F = &ns::C::m, File = ...]" (clang), or the argument alone.
std::string label_in(std::string_view pretty);
/// The same, made once for each text.
std::string_view label_of(std::string_view pretty);

template <class T>
concept HasLabel = requires {
  { T::manta_label() } -> std::convertible_to<std::string_view>;
};

template <auto F, class File>
constexpr std::string_view value_text() {
  return __PRETTY_FUNCTION__;
}
template <class F, class File>
constexpr std::string_view type_text() {
  return __PRETTY_FUNCTION__;
}

template <class T>
std::string_view class_label() {
  if constexpr (HasLabel<T>) {
    return T::manta_label();
  } else {
    static const std::string_view label = label_of(type_text<T, void>());
    return label;
  }
}

/// F: a function, a pointer to a method, or a function object (clang names those by their type only).
template <auto F, class File>
std::string_view function_label() {
#ifdef __clang__
  if constexpr (std::is_class_v<decltype(F)>) return class_label<std::remove_cv_t<decltype(F)>>();
#endif
  if constexpr (HasLabel<decltype(F)>) {
    return decltype(F)::manta_label();
  } else {
    static const std::string_view label = label_of(value_text<F, File>());
    return label;
  }
}

/// Of a method, or a lambda that stands for one, of an actor of class T.
template <class T, auto F, class File>
std::string_view method_label() {
  if constexpr (HasLabel<T>) {
    return T::manta_label();
  } else {
    return function_label<F, File>();
  }
}

/// What tells one class from another, for find_actor.
template <class T>
constexpr std::string_view class_identity() {
  const std::string_view text = type_text<T, void>();
  return text.substr(text.find("F = "));
}

}  // namespace manta::detail
