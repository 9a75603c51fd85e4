// Finds the tensors in the output of a module's forward. Internal: everything here may change.
#pragma once

#include <complex>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include <torch/ordered_dict.h>
#include <torch/types.h>

#include <manta/serial/fields.h>
#include <manta/serial/traits.h>

namespace manta::train::detail {

using VisitTensor = std::function<void(torch::Tensor&)>;

template <class T>
bool visit_tensors(T& value, const VisitTensor& visit);

/// An archive for a class with serialize(Archive&): receives the fields.
struct FieldVisitor {
  const VisitTensor& visit;
  bool& complete;
  template <class... Ts>
  FieldVisitor& operator()(Ts&&... fields) {
    ((complete = visit_tensors(fields, visit) && complete), ...);
    return *this;
  }
};

template <class T>
inline constexpr bool holds_no_tensor =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || serial::detail::String<T> ||
    serial::detail::is_a<T, std::complex> || std::is_same_v<T, std::monostate> || std::is_same_v<T, std::nullptr_t>;

/// A plain structure whose fields the compiler can count.
template <class T>
concept CountedFields = serial::detail::Decomposable<T> && !std::is_void_v<serial::detail::FieldRefs<T>>;

template <class T>
bool visit_elements(T& values, const VisitTensor& visit) {
  bool complete = true;
  for (auto& value : values) complete = visit_tensors(value, visit) && complete;
  return complete;
}

/// Calls visit with each tensor in containers, maps (their values), optionals, pointers, variants, and the fields of
/// plain structures and of classes with serialize(). False: the value holds something that it cannot look into.
template <class T>
bool visit_tensors(T& value, const VisitTensor& visit) {
  using namespace serial::detail;
  const auto visit_all = [&](auto&... fields) { return (visit_tensors(fields, visit) & ... & true); };
  if constexpr (std::is_same_v<T, torch::Tensor>) {
    visit(value);
    return true;
  } else if constexpr (holds_no_tensor<std::remove_cv_t<T>>) {
    return true;
  } else if constexpr (std::is_const_v<T>) {
    return false;
  } else if constexpr (is_a<T, std::optional> || is_a<T, std::shared_ptr> || is_a<T, std::unique_ptr>) {
    return !value || visit_tensors(*value, visit);
  } else if constexpr (TupleLike<T>) {
    return std::apply(visit_all, value);
  } else if constexpr (is_a<T, std::variant>) {
    return std::visit([&](auto& held) { return visit_tensors(held, visit); }, value);
  } else if constexpr (is_a<T, torch::OrderedDict>) {
    bool complete = true;
    for (auto& item : value) complete = visit_tensors(item.value(), visit) && complete;
    return complete;
  } else if constexpr (MapLike<T>) {
    bool complete = true;
    for (auto& [key, held] : value) complete = visit_tensors(held, visit) && complete;
    return complete;
  } else if constexpr (is_a<T, std::vector>) {
    if constexpr (holds_no_tensor<typename T::value_type>)
      return true;  // vector<bool> has no references
    else
      return visit_elements(value, visit);
  } else if constexpr (Sequence<T> || is_std_array<T> || std::is_array_v<T>) {
    return visit_elements(value, visit);
  } else if constexpr (requires(FieldVisitor & archive) { value.serialize(archive); }) {
    bool complete = true;
    FieldVisitor archive{visit, complete};
    value.serialize(archive);
    return complete;
  } else if constexpr (CountedFields<T>) {
    return std::apply(visit_all, fields_of(value));
  } else {
    return false;
  }
}

}  // namespace manta::train::detail
