#include "core/owner/time_limits.h"

#include <cstdio>
#include <utility>

#include <manta/detail/check_option.h>

namespace manta::owner {

namespace {

double seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

std::vector<TimeLimits::Due> TimeLimits::look(std::span<Entry* const> running, std::chrono::nanoseconds now) {
  std::vector<Due> due;
  std::map<Run, Seen> runs;
  for (Entry* entry : running) {
    if (!has_limit(*entry)) continue;
    const Run run{entry->id, entry->attempt, entry->position};
    const auto before = runs_.find(run);
    const auto [place, added] = runs.emplace(run, before != runs_.end() ? before->second : Seen{now, Passed::none});
    if (!added) continue;
    Seen& seen = place->second;
    const std::chrono::nanoseconds ran = now - seen.began;
    const std::chrono::nanoseconds limit = entry->extra->limit;
    if (ran < limit) continue;
    const Passed passed = ran - limit >= grace_ ? Passed::grace : Passed::limit;
    // Stage by stage, however late the look is: it is asked to end before it is ended.
    const Passed next = seen.passed == Passed::none ? Passed::limit : passed;
    if (std::exchange(seen.passed, next) != next) due.push_back({entry, next});
  }
  runs_ = std::move(runs);
  return due;
}

void check_limit(std::string_view field, std::chrono::nanoseconds limit) {
  detail::check_positive(std::string(field) + " in seconds", seconds(limit));
}

std::string to_text(std::chrono::nanoseconds duration) {
  const double length = seconds(duration);
  char text[32];
  if (length < 1) {
    std::snprintf(text, sizeof text, "%g ms", length * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.10g s", length);
  }
  return text;
}

}  // namespace manta::owner
