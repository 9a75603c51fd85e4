// Values as JSON.
#pragma once

#include <string>

#include <manta/report/text.h>
#include <manta/tune/distribution.h>

namespace manta::tune::detail {

// A real number keeps its point, so that it is read as one.
inline std::string json_of(double number) {
  std::string text = report::as_number(number);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

inline std::string json_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return report::json_string(*text);
  if (const auto* number = std::get_if<double>(&value)) return json_of(*number);
  return to_string(value);
}

}  // namespace manta::tune::detail
