// Finds out from its heartbeats whether a replica's process hangs: a plain class, without clocks, threads or sockets.
//
//   LIVE-1  only heartbeats count: slow requests and long queues do not matter
//   LIVE-2  time in which the observer did not run does not count: if the whole machine stood still, no replica hangs
//
// Threading: none of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace manta::serve {

class Liveness {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Checked about every `period`, a process hangs when it has sent no heartbeat for `timeout`.
  struct Limits {
    std::chrono::milliseconds period{10'000};
    std::chrono::milliseconds timeout{30'000};
  };

  // Checks a process whose constructor has succeeded; beats: its heartbeats so far. True: it hangs, so kill it;
  // counting then starts anew.
  bool hangs(std::uint64_t beats, Time now, const Limits& limits);
  // A new process: counting starts anew.
  void restarted();

 private:
  std::uint64_t beats_ = 0;
  std::optional<Time> looked_;
  std::chrono::nanoseconds silent_{0};
};

}  // namespace manta::serve
