#include "core/owner/unmet.h"

#include <algorithm>
#include <utility>

#include "core/owner/entry.h"

namespace manta::owner {

std::vector<UnmetDemand::Line> UnmetDemand::look(const std::vector<Unmet>& unmet, Time now) {
  for (auto& [index, seen] : seen_) seen.now = false;
  struct Due {
    Line line;
    Time since;
    bool stalled = false;
  };
  std::map<Kind, Due> kinds;
  for (const Unmet& demand : unmet) {
    const auto [it, fresh] = seen_.try_emplace(demand.index, Seen{demand.progress, now, true});
    Seen& seen = it->second;
    seen.now = true;
    if (!fresh && seen.progress != demand.progress) seen = {demand.progress, now, true};
    const auto [kind, first] = kinds.try_emplace({demand.actor, demand.space_bytes > 0, *demand.request, demand.where},
                                                 Due{{demand.index, 0, demand.space_bytes}, seen.since});
    Due& due = kind->second;
    due.line.waiting += demand.waiting;
    due.stalled = due.stalled || now - seen.since >= kFirstLine;
    if (seen.since < due.since) {
      due.line.index = demand.index;
      due.line.space_bytes = demand.space_bytes;
      due.since = seen.since;
    }
  }
  std::erase_if(seen_, [](const auto& seen) { return !seen.second.now; });
  std::erase_if(lines_, [&](const auto& line) { return now - line.second >= kBetweenLines; });
  std::vector<Line> lines;
  for (const auto& [kind, due] : kinds) {
    if (due.stalled && lines_.emplace(kind, now).second) lines.push_back(due.line);
  }
  return lines;
}

std::uint64_t space_for(const Entry& entry) {
  if (entry.value.spilled()) return size_of(entry.value.location());
  std::uint64_t bytes = 0;
  if (!entry.extra) return bytes;
  for (const Entry* argument : entry.extra->references) {
    if (argument->value.spilled()) bytes += size_of(argument->value.location());
  }
  return bytes;
}

}  // namespace manta::owner
