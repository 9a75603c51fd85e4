// When something that has died starts again: at once, unless it dies again and again.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace manta::detail {

/// Decides how long to wait before an actor, a crew of training workers or a trial starts again.
///
/// The first restart is immediate. Back-off begins when a life ends before its start has succeeded, or when three lives
/// end within `window`. Each further restart then waits twice as long, from `first` to `longest`. A life that was up
/// for `window` ends the back-off.
///
/// **Threading**: none of its own; time is an argument. **Ownership**: a value.
class RestartBackoff {
 public:
  /// Since any moment that stays the same.
  using Time = std::chrono::nanoseconds;
  struct Limits {
    Time first = std::chrono::milliseconds(10);
    Time longest = std::chrono::seconds(10);
    Time window = std::chrono::seconds(10);
  };

  RestartBackoff() = default;
  explicit RestartBackoff(const Limits& limits) : limits_(limits) {}

  /// The start has succeeded: from now on this life is up.
  void up(Time now) { up_since_ = now; }

  /// The life has ended. Returns how long to wait before the next one starts.
  Time ended(Time now) {
    const bool started = up_since_.has_value();
    if (started && now - *up_since_ >= limits_.window) *this = RestartBackoff(limits_);
    up_since_.reset();
    const bool often = ends_ >= ends_at_.size() && now - ends_at_[ends_ % ends_at_.size()] < limits_.window;
    ends_at_[ends_++ % ends_at_.size()] = now;
    const bool first = ends_ == 1;
    if (!backing_off_ && started && !often) return Time::zero();
    backing_off_ = true;
    if (first) return Time::zero();
    next_ = next_ == Time::zero() ? limits_.first : std::min(next_ * 2, limits_.longest);
    return next_;
  }

 private:
  Limits limits_;
  std::optional<Time> up_since_;
  std::array<Time, 2> ends_at_{};  // the last two, at their number modulo two
  std::size_t ends_ = 0;
  bool backing_off_ = false;
  Time next_ = Time::zero();
};

}  // namespace manta::detail
