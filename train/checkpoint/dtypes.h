// The element types of safetensors.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <c10/core/ScalarType.h>

namespace manta::train {

inline constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the format's limit

inline constexpr std::array<std::pair<std::string_view, c10::ScalarType>, 11> kDtypes{{
    {"BOOL", c10::ScalarType::Bool},
    {"U8", c10::ScalarType::Byte},
    {"I8", c10::ScalarType::Char},
    {"I16", c10::ScalarType::Short},
    {"U16", c10::ScalarType::UInt16},
    {"I32", c10::ScalarType::Int},
    {"I64", c10::ScalarType::Long},
    {"F16", c10::ScalarType::Half},
    {"BF16", c10::ScalarType::BFloat16},
    {"F32", c10::ScalarType::Float},
    {"F64", c10::ScalarType::Double},
}};

// Empty if the format does not have the type.
constexpr std::string_view dtype_name(c10::ScalarType type) {
  for (const auto& [name, candidate] : kDtypes) {
    if (candidate == type) return name;
  }
  return {};
}

constexpr std::optional<c10::ScalarType> dtype_named(std::string_view wanted) {
  for (const auto& [name, type] : kDtypes) {
    if (name == wanted) return type;
  }
  return std::nullopt;
}

}  // namespace manta::train
