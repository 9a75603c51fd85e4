// HTTP requests and responses, for callables that need more than JSON. Values.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/http/message.h>

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

using Response = http::Response;

// What a callable throws to choose the status: 4xx for a request that it refuses. Anything else it throws is a 500.
class HttpError : public std::runtime_error {
 public:
  HttpError(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace manta::serve
