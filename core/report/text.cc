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

std::string with_quoted_nan(std::string_view line) {
  std::string text;
  bool inside = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const std::string_view rest = line.substr(at);
    if (inside && rest[0] == '\\' && rest.size() > 1) {
      text += rest.substr(0, 2);
      ++at;
      continue;
    }
    if (rest[0] == '"') inside = !inside;
    std::string_view word;
    for (const std::string_view each : {"NaN", "Infinity", "-Infinity"}) {
      if (!inside && rest.starts_with(each)) word = each;
    }
    text += word.empty() ? std::string(rest.substr(0, 1)) : '"' + std::string(word) + '"';
    if (!word.empty()) at += word.size() - 1;
  }
  return text;
}

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
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  if (text.find_first_of(",\"") == std::string::npos) return text;
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
  return '"' + text + '"';
}

}  // namespace manta::report
