// Warnings about tasks, calls and constructors that failed without anything that reads it: the first of a kind at once,
// the others of the kind counted in one line after a second, and then in one in half a minute.
//
// Threading: none of its own. Ownership: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include <manta/error.h>

namespace manta::observe {

class UnreadFailures {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // what: "task f", which makes the kind.
  void add(const std::string& what, const Error& error, Time now);
  // Writes the lines that are due. Cheap where there are none.
  void tick(Time now);
  // All that were counted, now.
  void finish();

 private:
  struct Kind {
    std::uint64_t more = 0;  // since the last line
    std::string last;
    Time next;  // line, not before
  };
  static void write(const std::string& what, Kind& kind);

  std::map<std::string, Kind> kinds_;
  std::uint64_t counted_ = 0;  // of all kinds, since their last lines
};

}  // namespace manta::observe
