// The head of a response, written: RFC 9112, 4 and 6; RFC 9110, 6.4.1, 6.6.1 and 15. Threading: any.
#pragma once

#include <optional>
#include <string>

#include <manta/http/message.h>

namespace manta::http {

struct ResponseFraming {
  bool close = false;       // the connection ends after it
  bool keep_alive = false;  // an HTTP/1.0 client must be told that it stays
  enum class Length { known, chunked, to_the_end } length = Length::known;  // of the body
};

// Whether a response of this status has content at all: not 1xx, 204, 304.
bool has_content(int status);
// What is wrong with a response that a program made: names and values of headers that cannot be sent, or that only the
// server sets. Empty: nothing.
std::optional<std::string> wrong_with(const Response& response);
// response: one that nothing is wrong with.
std::string head_of(const Response& response, ResponseFraming framing);

}  // namespace manta::http
