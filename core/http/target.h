// Parses a request's target in its four forms (RFC 9112, 3.2).
#pragma once

#include <optional>
#include <string>

#include <manta/http/message.h>

#include "core/http/refusal.h"

namespace manta::http {

// Sets path and query from method and target. has_authority: the target names the host, which replaces the field Host.
// Returns a Refusal for an invalid target. Threading: any.
std::optional<Refusal> read_target(RequestHead& head, bool& has_authority);

}  // namespace manta::http
