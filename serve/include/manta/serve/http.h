// HTTP requests and responses, for callables that need more than JSON. Values.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace manta::serve {

struct Request {
  std::string method;  // "GET"
  std::string path;    // "/echo": %XX decoded (but %2F), without dot segments and empty segments
  std::string query;   // behind the ?, not decoded
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // A header's value by its lower-case name. Empty: the request has none.
  std::string_view header(std::string_view name) const {
    const auto it = std::find_if(headers.begin(), headers.end(), [&](const auto& each) { return each.first == name; });
    return it == headers.end() ? std::string_view() : std::string_view(it->second);
  }
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // Beyond Content-Type (one given here replaces content_type), Date (likewise), and those that only the server sets:
  // Content-Length, Transfer-Encoding, Connection and the like. A response with one of those, or with a control
  // character in a name or a value, becomes a 500 that says so. 204 and 304 are sent without the body.
  std::vector<std::pair<std::string, std::string>> headers;
};

// What a callable throws to choose the status: 4xx for a request that it refuses. Anything else it throws is a 500.
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace manta::serve
