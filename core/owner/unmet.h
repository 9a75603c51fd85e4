// What a process wants of its node and has not been given: since when, and when that is to be said. Sans-I/O.
//
//   UNMET-1  the first line is due kFirstLine after the demand was last met in part: a lease was granted, a task of it
//            was started or ended. (An actor's demand is met whole or not at all.)
//   UNMET-2  then one line in kBetweenLines, for all demands of one kind together: those with equal requests
//
// Threading: none of its own. Ownership: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/sched/resources.h"

namespace manta::owner {

using Time = std::chrono::nanoseconds;  // since an arbitrary start; given, never read

struct Entry;

// One demand, as the owner sees it now.
struct Unmet {
  std::uint32_t index = 0;  // DemandIndex
  bool actor = false;
  const sched::ResourceSet* request = nullptr;
  sched::Where where;
  std::uint64_t waiting = 0;      // tasks that wait for a lease, or for another task to end
  std::uint64_t progress = 0;     // another value whenever some of it was met
  std::uint64_t space_bytes = 0;  // above 0: of the object store, for spilled values that it needs; not for a lease
};

// How much of the store the entry's spilled value, or its spilled arguments, need.
std::uint64_t space_for(const Entry& entry);

class UnmetDemand {
 public:
  static constexpr Time kFirstLine = std::chrono::seconds(2);
  static constexpr Time kBetweenLines = std::chrono::seconds(30);

  struct Line {
    std::uint32_t index = 0;    // one of the demands: its oldest task or actor stands for all
    std::uint64_t waiting = 0;  // tasks or actors
    std::uint64_t space_bytes = 0;
  };

  // All that is unmet now. Which lines are due.
  std::vector<Line> look(const std::vector<Unmet>& unmet, Time now);
  // Whether the last look saw any.
  bool any() const { return !seen_.empty(); }

 private:
  struct Seen {
    std::uint64_t progress = 0;
    Time since{0};
    bool now = false;
  };
  struct Kind {
    bool actor = false;
    bool room = false;
    sched::ResourceSet request;
    sched::Where where;
    friend auto operator<=>(const Kind&, const Kind&) = default;
  };

  std::map<std::uint32_t, Seen> seen_;
  std::map<Kind, Time> lines_;  // when the last one was due
};

}  // namespace manta::owner
