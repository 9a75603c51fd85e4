// The head of a request, read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace manta::serve::http {

struct RequestHead {
  std::string method;
  std::string target;  // as it came
  std::string path;    // of the target: decoded, without dot segments; "*" in asterisk-form, empty in authority-form
  std::string query;   // of the target, as it came
  int minor = 1;       // HTTP/1.minor, at most 1
  std::vector<std::pair<std::string, std::string>> fields;  // names in small letters
  bool keep_alive = true;
  bool expects_continue = false;
  bool has_body = false;
  std::uint64_t content_length = 0;
  bool chunked = false;

  // The first of this name, which is in small letters; empty: there is none.
  std::string_view field(std::string_view name) const {
    for (const auto& [known, value] : fields) {
      if (known == name) return value;
    }
    return {};
  }
};

// Why a request is not taken.
struct Refusal {
  int status = 400;
  std::string why;
};

}  // namespace manta::serve::http
