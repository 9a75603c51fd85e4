// Which tasks with a time limit run, since when, and which of them have run too long. Sans-I/O.
//
//   LIMIT-1  a run counts from the first look that sees it, so a limit is never cut short, whatever the task waited for
//            before, and whatever waits in front of it
//   LIMIT-2  each attempt has the whole limit: a run is known by its task, its attempt and its place in the ring
//
// Threading: none of its own (the owner's lock). Ownership: keeps no entry from one look to the next.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <manta/ids.h>

#include "core/owner/entry.h"

namespace manta::owner {

class TimeLimits {
 public:
  enum class Passed : std::uint8_t {
    none,
    limit,  // the run is to be cancelled
    grace,  // it goes on nevertheless
  };
  struct Due {
    Entry* entry;
    Passed passed;
  };

  // grace: from the limit on, for a task to end when it is asked to.
  explicit TimeLimits(std::chrono::nanoseconds grace) : grace_(grace) {}

  // running: all that runs now, with and without limits. Each run is due once for each stage that it passes. What is
  // not in `running` has ended.
  std::vector<Due> look(std::span<Entry* const> running, std::chrono::nanoseconds now);

 private:
  struct Run {
    TaskId task;
    std::uint16_t attempt = 0;
    std::uint32_t position = 0;
    friend auto operator<=>(const Run&, const Run&) = default;
  };
  struct Seen {
    std::chrono::nanoseconds began{};
    Passed passed = Passed::none;
  };

  std::chrono::nanoseconds grace_;
  std::map<Run, Seen> runs_;
};

// Throws Error(invalid_argument), which names the field, unless it is more than zero.
void check_limit(std::string_view field, std::chrono::nanoseconds limit);
// The limit that an option gives, checked; zero: none.
inline std::chrono::nanoseconds limit_of(std::string_view field, std::chrono::nanoseconds timeout) {
  if (timeout == std::chrono::nanoseconds::max()) return {};
  check_limit(field, timeout);
  return timeout;
}
// For people: "5 s", "1.5 s", "200 ms".
std::string to_text(std::chrono::nanoseconds duration);

}  // namespace manta::owner
