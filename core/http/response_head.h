// Formats the head of a response: RFC 9112, 4 and 6; RFC 9110, 6.4.1, 6.6.1 and 15. Threading: any.
#pragma once

#include <optional>
#include <string>

#include <manta/http/message.h>

namespace manta::http {

struct ResponseFraming {
  bool close = false;       // the connection closes after the response
  bool keep_alive = false;  // says that the connection stays, for an HTTP/1.0 client
  enum class Length { known, chunked, to_the_end } length = Length::known;  // of the body
};

// False for 1xx, 204 and 304.
bool has_content(int status);
// Why a response cannot be sent: names and values of headers that are not valid, or that only the server sets. nullopt:
// it can.
std::optional<std::string> wrong_with(const Response& response);
// response: one for which wrong_with() is nullopt.
std::string head_of(const Response& response, ResponseFraming framing);

}  // namespace manta::http
