#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace manta::http {

/// The head of a request as the server has read it (RFC 9112, 3 and 5). A value.
struct RequestHead {
  std::string method;
  std::string target;  ///< as sent
  std::string path;    ///< of the target, decoded and without dot segments; %2F stays;
                       ///< "*" in asterisk-form, empty in authority-form
  std::string query;   ///< of the target, as sent
  int minor = 1;       ///< HTTP/1.minor, at most 1
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case
  std::string peer;                                         ///< the client's IP address
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body = false;
  std::uint64_t content_length = 0;
  bool chunked = false;

  /// Value of the first field of this name, which is in lower case; empty where there is none.
  std::string_view field(std::string_view name) const {
    const auto it = std::find_if(fields.begin(), fields.end(), [&](const auto& each) { return each.first == name; });
    return it == fields.end() ? std::string_view() : std::string_view(it->second);
  }
};

/// A response. A value.
struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  /// Beyond Content-Type (one given here replaces content_type), Date (likewise), and those that only the server sets:
  /// Content-Length, Transfer-Encoding, Connection and the like. A response with one of those, or with a control
  /// character in a name or a value, becomes a 500 that says so. 204 and 304 are sent without the body.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// {"error": message} as JSON. Bytes of the message that are no UTF-8 become U+FFFD.
Response error_response(int status, const std::string& message);

}  // namespace manta::http
