#include "core/http/target.h"

#include <algorithm>
#include <vector>

#include "core/http/grammar.h"

namespace manta::http {

namespace {

Refusal bad(std::string why) { return {400, "the request target " + std::move(why)}; }

bool is_unreserved(unsigned char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

// RFC 3986, 3.3: pchar without %XX, and "/".
bool is_path_char(char c) {
  return is_unreserved(static_cast<unsigned char>(c)) ||
         std::string_view("!$&'()*+,;=:@/").find(c) != std::string_view::npos;
}

// RFC 3986, 3.4; and what browsers leave as it is in a query (WHATWG URL, query percent-encode set).
bool is_query_char(char c) {
  return is_path_char(c) || std::string_view("?[]\\^`{|}").find(c) != std::string_view::npos;
}

bool is_encoded(std::string_view text, std::size_t at) {
  return text.size() - at >= 3 && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
}

// RFC 3986, 5.2.4 on a decoded path; empty segments go, too.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> segments;
  bool folder = true;  // ends with a slash
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/');
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    folder = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else if (!folder) {
      segments.push_back(segment);
    }
  }
  std::string result;
  for (const std::string_view segment : segments) result += "/" + std::string(segment);
  return folder ? result + "/" : result;
}

std::optional<Refusal> read_path(std::string_view text, std::string& path) {
  bool plain = true;  // nothing to normalise
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (!is_encoded(text, i)) return bad("has a % without two hexadecimal digits");
      const char c = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return bad("has an encoded control character in its path");
      // An encoded slash is no separator of segments: it stays encoded.
      decoded += c == '/' ? "%2F" : std::string(1, c);
      i += 2;
    } else if (is_path_char(text[i])) {
      decoded += text[i];
    } else {
      return bad("has a character in its path that must be percent-encoded");
    }
    plain = plain && !(i > 0 && decoded.back() == '/' && text[i - 1] == '/') && decoded.back() != '.';
  }
  path = plain ? std::move(decoded) : without_dots(decoded);
  return std::nullopt;
}

std::optional<Refusal> read_path_and_query(std::string_view text, RequestHead& head) {
  const std::size_t mark = std::min(text.find('?'), text.size());
  if (auto refusal = read_path(text.substr(0, mark), head.path)) return refusal;
  const std::string_view query = text.substr(std::min(mark + 1, text.size()));
  for (std::size_t i = 0; i < query.size(); ++i) {
    if (query[i] == '%' ? !is_encoded(query, i) : !is_query_char(query[i])) {
      return bad("has a character in its query that must be percent-encoded");
    }
  }
  head.query = query;
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> read_target(RequestHead& head, bool& has_authority) {
  std::string_view target = head.target;
  has_authority = false;
  if (head.method == "CONNECT") {
    const std::size_t colon = target.rfind(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == target.size() || !is_host(target))
      return bad("of CONNECT is no host:port");
    has_authority = true;
    return std::nullopt;
  }
  if (target.starts_with('/')) return read_path_and_query(target, head);
  if (target == "*") {
    if (head.method != "OPTIONS") return bad("* is for OPTIONS alone");
    head.path = "*";
    return std::nullopt;
  }
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos ||
      (!iequals(target.substr(0, scheme), "http") && !iequals(target.substr(0, scheme), "https"))) {
    return bad("begins neither with / nor with http://");
  }
  target.remove_prefix(scheme + 3);
  const std::size_t end = std::min(target.find_first_of("/?"), target.size());
  const std::string_view authority = target.substr(0, end);
  if (authority.empty() || authority.front() == ':' || !is_host(authority)) return bad("has no valid host");
  has_authority = true;
  target.remove_prefix(end);
  if (target.empty() && head.method == "OPTIONS") {
    head.path = "*";
    return std::nullopt;
  }
  if (auto refusal = read_path_and_query(target, head)) return refusal;
  if (head.path.empty()) head.path = "/";
  return std::nullopt;
}

}  // namespace manta::http
