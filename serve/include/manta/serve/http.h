// Requests and responses of HTTP as a callable sees them that wants more than JSON. Values, owned by whoever has them.
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
  std::string path;    // "/echo": without %XX, dot segments and empty ones; %2F stays
  std::string query;   // behind the ?, as it came
  std::vector<std::pair<std::string, std::string>> headers;  // names in small letters
  std::string body;

  // Empty: there is none.
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
