#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <manta/http/message.h>
#include <manta/http/responder.h>

namespace manta::http {

/// What a server answers its requests with.
///
/// **Threading:** called in the thread of the server's loop, which waits meanwhile: long work belongs in another
/// thread, with the Responder. **Errors:** none may be thrown.
class Handler {
 public:
  virtual ~Handler() = default;
  /// The response to a request that is refused whatever its body is. Called where a client waits before it sends its
  /// body (`Expect: 100-continue`); if there is a response, it is sent, and handle() is not called.
  virtual std::optional<Response> refusal_of(const RequestHead& head) = 0;
  /// Answers a request that has come as a whole: now or later, by the responder. The handler may move path, query and
  /// fields out of the head, which is valid during the call.
  virtual void handle(RequestHead& head, std::string body, Responder responder) = 0;
};

/// A request that was answered, or refused by the server itself.
struct RequestFinished {
  std::string_view peer;    ///< the client's IP address
  std::string_view method;  ///< "-": it could not be read
  std::string_view target;  ///< likewise
  int status = 0;
  std::size_t body_bytes = 0;        ///< that were sent, or are being sent
  std::chrono::nanoseconds took{0};  ///< since the request's first byte
};

/// Receives an event for each response, for metrics and logs.
///
/// **Threading:** called in the thread of the server's loop: for a whole response before it is written, for a stream
/// when it ends. The views are valid during the call. **Errors:** none may be thrown.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void finished(const RequestFinished& request) = 0;
};

}  // namespace manta::http
