// Character classes and small rules of RFC 9110 and RFC 3986. Threading: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace manta::http {

// RFC 9110, 5.6.2: token = 1*tchar.
bool is_token(std::string_view text);
// RFC 9110, 5.5: visible characters, obs-text, spaces and tabs; no CR, LF, NUL or other control character.
bool is_field_value(std::string_view text);
// RFC 9110, 7.2: uri-host [ ":" port ]; may be empty.
bool is_host(std::string_view text);
// Without the spaces and tabs around it (OWS).
std::string_view trimmed(std::string_view text);
std::string lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
// RFC 9110, 5.6.1: the elements of a list, trimmed; empty ones are kept.
std::vector<std::string_view> elements(std::string_view list);
// -1: none.
int hex_digit(char c);

}  // namespace manta::http
