// The request's target (RFC 9112, 3.2) in its four forms: path, query, and the authority of the absolute form.
#pragma once

#include <optional>
#include <string>

#include <manta/http/message.h>

#include "core/http/refusal.h"

namespace manta::http {

// Sets path and query from method and target; has_authority: the target names the host itself, so the field Host does
// not count. A Refusal where the target is none. Threading: any.
std::optional<Refusal> read_target(RequestHead& head, bool& has_authority);

}  // namespace manta::http
