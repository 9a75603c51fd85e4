// Whether a replica's process hangs, judged by its beats: a plain class, without clocks, threads or sockets.
//
//   LIVE-1  only the beats count: what requests take, and how many wait, does not matter
//   LIVE-2  time in which the observer did not look does not count: where the whole machine stood still no replica hangs
//
// Threading: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace manta::serve {

class Liveness {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Looked at every `period` or so, it hangs when it has not beaten for `timeout`.
  struct Limits {
    std::chrono::milliseconds period{10'000};
    std::chrono::milliseconds timeout{30'000};
  };

  // A look at a process whose constructor has succeeded: the number of its beats so far. True: it hangs, and is to be
  // killed; counting then begins anew.
  bool hangs(std::uint64_t beats, Time now, const Limits& limits);
  // Another process: counting begins anew.
  void restarted();

 private:
  std::uint64_t beats_ = 0;
  std::optional<Time> looked_;
  std::chrono::nanoseconds silent_{0};
};

}  // namespace manta::serve
