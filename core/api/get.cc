// The parts of the public templates that need no template.
#include <manta/get.h>

#include <string>

#include <manta/remote.h>

namespace manta::detail {

Deadline deadline_after(std::chrono::nanoseconds timeout) {
  const Deadline now = std::chrono::steady_clock::now();
  return timeout >= Deadline::max() - now ? Deadline::max() : now + timeout;
}

void throw_deadline(EntryHead& first_missing, std::size_t ready, std::size_t total) {
  std::string what = "the time given to get() was over before the value was there";
  if (total > 1) what += " (" + std::to_string(ready) + " of " + std::to_string(total) + " were)";
  if (const std::string why = why_unresolved(&first_missing); !why.empty()) what += ": " + why;
  throw Error(ErrorCode::deadline, what + "; the work goes on, and get() may be called again");
}

void throw_empty_ref() {
  throw Error(ErrorCode::invalid_argument, "an empty Ref was used: it was default-constructed or moved from");
}

void throw_empty_argument(std::size_t position) {
  throw Error(ErrorCode::invalid_argument, "argument " + std::to_string(position) +
                                               " of a remote call is an empty Ref: it was default-constructed or moved "
                                               "from");
}

}  // namespace manta::detail
