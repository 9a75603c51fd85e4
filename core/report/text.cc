#include <manta/report/text.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <nlohmann/json.hpp>

namespace manta::report {

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_utf8(std::string_view text) { return nlohmann::json::parse(json_string(text)).get<std::string>(); }

std::string as_number(double value, const char* nan, const char* infinity) {
  if (std::isnan(value)) return nan;
  if (std::isinf(value)) return (value < 0 ? "-" : "") + std::string(infinity);
  char text[32];
  const bool whole = std::trunc(value) == value && std::abs(value) < 9007199254740992.0;
  const auto end = whole ? std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(value)).ptr
                         : std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string csv_cell(std::string_view content) {
  std::string text = as_utf8(content);
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  if (text.find_first_of(",\"") == std::string::npos) return text;
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
  return '"' + text + '"';
}

}  // namespace manta::report
