#include "core/http/grammar.h"

#include <algorithm>
#include <array>

namespace manta::http {

namespace {

constexpr bool is_alnum(unsigned char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

constexpr std::array<bool, 256> table(std::string_view others, bool high) {
  std::array<bool, 256> result{};
  for (std::size_t c = 0; c < result.size(); ++c)
    result[c] = is_alnum(static_cast<unsigned char>(c)) || (high && c >= 0x80);
  for (const char c : others) result[static_cast<unsigned char>(c)] = true;
  return result;
}
constexpr auto kToken = table("!#$%&'*+-.^_`|~", false);
constexpr auto kValue = table(" \t!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true);
constexpr auto kRegName = table("-._~!$&'()*+,;=", false);  // and %XX
constexpr auto kAddress = table(":.", false);               // inside the brackets of an IPv6 literal

bool all(std::string_view text, const std::array<bool, 256>& good) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return good[static_cast<unsigned char>(c)]; });
}

bool is_reg_name(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return false;
      i += 2;
    } else if (!kRegName[static_cast<unsigned char>(text[i])]) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_token(std::string_view text) { return !text.empty() && all(text, kToken); }

bool is_field_value(std::string_view text) { return all(text, kValue); }

bool is_host(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3 || !all(text.substr(1, end - 1), kAddress)) return false;
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return false;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    port = text.substr(colon);
    if (!is_reg_name(text.substr(0, colon))) return false;
  }
  if (port.size() > 6) return false;
  return port.empty() || std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return result;
}

bool iequals(std::string_view a, std::string_view b) {
  const auto low = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return low(x) == low(y); });
}

std::vector<std::string_view> elements(std::string_view list) {
  std::vector<std::string_view> result;
  for (;;) {
    const std::size_t comma = list.find(',');
    result.push_back(trimmed(list.substr(0, comma)));
    if (comma == std::string_view::npos) return result;
    list.remove_prefix(comma + 1);
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace manta::http
