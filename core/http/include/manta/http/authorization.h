#pragma once

#include <optional>
#include <string>

#include <manta/http/message.h>

namespace manta::http {

/// Why a request is not allowed.
struct Denial {
  int status = 401;       ///< 401: the client is not known; 403: it is, and may not do this
  std::string why;        ///< for the response's body
  std::string challenge;  ///< of a 401: the value of WWW-Authenticate
};

/// Decides from a request's head whether it is allowed.
///
/// **Threading:** called in the thread of the server's loop, once for each request, before its body is read: a client
/// that is not allowed cannot send one. **Errors:** none may be thrown.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  /// nullopt: the request is allowed.
  virtual std::optional<Denial> deny(const RequestHead& head) const = 0;
};

/// Allows requests with `Authorization: Bearer TOKEN` (RFC 6750, 2.1 and 3). A comparison of two tokens of the same
/// length takes the same time wherever they differ.
///
/// **Threading:** any. **Ownership:** owns a copy of the token.
class BearerToken final : public Authorizer {
 public:
  /// Throws Error(invalid_argument) for a token that no client can send: RFC 6750 allows letters, digits and -._~+/
  /// with = at the end. realm: of the challenge, without quotes and backslashes.
  explicit BearerToken(std::string token, std::string realm = "manta");
  std::optional<Denial> deny(const RequestHead& head) const override;

 private:
  std::string token_;
  std::string challenge_;
};

}  // namespace manta::http
