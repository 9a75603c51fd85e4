// How far the head's clock is ahead of this node's, both CLOCK_MONOTONIC: by the exchange of NTP (RFC 5905, section 8)
// over the link. Of the last samples the one with the shortest round trip counts: its error is at most half of that.
//
// Threading: none of its own.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace manta::node {

class ClockOffset {
 public:
  using Time = std::chrono::nanoseconds;  // of a clock

  // The question left at `sent` and the answer arrived at `received`, by this node's clock; between them the head's
  // clock showed `there`.
  void sample(Time sent, Time there, Time received) {
    if (received < sent) return;
    samples_[count_++ % samples_.size()] = {received - sent, there - sent - (received - sent) / 2};
  }
  // What to add to this node's time; 0 before the first sample.
  Time offset() const {
    Sample best;
    for (std::size_t i = 0; i < std::min(count_, samples_.size()); ++i) {
      if (samples_[i].round_trip < best.round_trip) best = samples_[i];
    }
    return best.offset;
  }

 private:
  struct Sample {
    Time round_trip = Time::max();
    Time offset{0};
  };
  std::array<Sample, 8> samples_;
  std::size_t count_ = 0;
};

}  // namespace manta::node
