#include <manta/http/authorization.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <openssl/crypto.h>

#include <manta/error.h>

#include "core/http/grammar.h"

namespace manta::http {

namespace {

// RFC 6750, 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool is_bearer_token(std::string_view text) {
  const std::string_view token = text.substr(0, text.find_last_not_of('=') + 1);
  return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

// Reads all of `given`, also behind the first difference.
bool equal_in_constant_time(std::string_view given, std::string_view token) {
  return given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

}  // namespace

BearerToken::BearerToken(std::string token, std::string realm)
    : token_(std::move(token)), challenge_("Bearer realm=\"" + realm + "\"") {
  if (!is_bearer_token(token_)) {
    throw Error(ErrorCode::invalid_argument,
                "the bearer token is empty, or has a character that no client can send. Next: use letters, digits and "
                "-._~+/ with = at the end, for example the output of `openssl rand -hex 32`");
  }
  if (realm.find_first_of("\"\\") != std::string::npos || !is_field_value(realm)) {
    throw Error(ErrorCode::invalid_argument,
                "the realm of a bearer token has a quote, a backslash or a control character");
  }
}

std::optional<Denial> BearerToken::deny(const RequestHead& head) const {
  static constexpr std::string_view kScheme = "bearer ";
  const auto count = std::count_if(head.fields.begin(), head.fields.end(),
                                   [](const auto& field) { return field.first == "authorization"; });
  const std::string_view value = head.field("authorization");
  const bool bearer = value.size() > kScheme.size() && iequals(value.substr(0, kScheme.size()), kScheme);
  if (count != 1 || !bearer) {
    return Denial{.why = "this needs a token: send Authorization: Bearer TOKEN", .challenge = challenge_};
  }
  if (equal_in_constant_time(trimmed(value.substr(kScheme.size())), token_)) return std::nullopt;
  return Denial{.why = "the token is not valid", .challenge = challenge_ + ", error=\"invalid_token\""};
}

}  // namespace manta::http
