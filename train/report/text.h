// Names and numbers as text.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace manta::train {

// As a string of JSON. What is not UTF-8 in it is replaced by U+FFFD.
inline std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The same text, with U+FFFD for what is not UTF-8.
inline std::string as_utf8(std::string_view text) {
  return nlohmann::json::parse(json_string(text)).get<std::string>();
}

// The shortest that reads back to the same double; whole numbers without a point.
inline std::string as_number(double value, const char* nan, const char* infinity) {
  if (std::isnan(value)) return nan;
  if (std::isinf(value)) return (value < 0 ? "-" : "") + std::string(infinity);
  char text[32];
  const bool whole = std::trunc(value) == value && std::abs(value) < 9007199254740992.0;
  const auto end = whole ? std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value)).ptr
                         : std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

}  // namespace manta::train
