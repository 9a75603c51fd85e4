// Which lines about waiting the processes of a node may print: one of a kind in half a minute, whichever process asks.
// Sans-I/O.
//
// Threading: none of its own.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "core/sched/shape.h"

namespace manta::node {

class WaitLines {
 public:
  static constexpr sched::Time kBetween = std::chrono::milliseconds(29'500);

  // kind: of what waits, and for what.
  bool may_print(const std::string& kind, sched::Time now) {
    std::erase_if(printed_, [&](const auto& line) { return now - line.second >= kBetween; });
    return printed_.emplace(kind, now).second;
  }

 private:
  std::map<std::string, sched::Time> printed_;
};

}  // namespace manta::node
