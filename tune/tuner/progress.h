// How far a study is, for people.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace manta::tune::detail {

// On a terminal a few lines that are rewritten in place, ten times a second at most; else a line every five seconds.
//
// Threading: one thread. Ownership: it does not own the file. Errors: none; what cannot be printed is not.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  Progress(std::FILE* out, bool verbose, Clock::time_point now);

  // Whether it is time to show something.
  bool due(Clock::time_point now) const { return verbose_ && now >= next_; }
  bool terminal() const { return terminal_; }
  // The first line stands for all where there is no terminal.
  void show(const std::vector<std::string>& lines, Clock::time_point now);
  // Takes the lines away, and prints this in their place.
  void finish(const std::string& text);

 private:
  void clear();

  std::FILE* out_;
  bool verbose_;
  bool terminal_;
  Clock::time_point next_;
  std::size_t shown_ = 0;  // lines above the cursor
};

}  // namespace manta::tune::detail
