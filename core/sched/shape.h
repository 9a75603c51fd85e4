// One resource shape as the node sees it: all demands with equal requests, in the order in which they are served.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/resources.h"

namespace manta::sched {

using Time = std::chrono::nanoseconds;  // since an arbitrary start; given, never read
using ShapeIndex = std::uint32_t;       // a client's own number for one of its resource shapes

// Time::max() stands for "never".
inline constexpr Time kNever = Time::max();

struct Shape;

// What the next worker and the next lease of a node are called. The schedulers of one node share it.
struct NextIds {
  std::uint64_t client = 1;
  std::uint64_t lease = 1;
};

// Place in the order of service (SCHED-6). Arrivals are distinct.
struct Rank {
  std::int32_t below = 0;  // the negated priority
  std::uint32_t held = 0;
  std::uint64_t arrival = 0;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};

// What one client wants of one shape, and has.
struct Demand {
  ClientId client;
  ShapeIndex index = 0;
  Shape* shape = nullptr;
  std::uint32_t wanted = 0;
  std::uint32_t active = 0;   // leases whose worker is not blocked
  std::uint32_t blocked = 0;  // leases whose worker waits in get
  std::uint32_t booked = 0;   // granted but for the worker, which is being started
  std::uint32_t asked = 0;    // leases asked back and not yet returned
  std::uint64_t arrival = 0;  // place in the order of arrival: set anew with each grant
  Time waiting_since{0};
  // Where it stands while it waits, as DemandQueue filed it; rank only while waiting.
  bool waiting = false;
  bool surplus = false;
  Rank rank;
  // What was asked back from others on its behalf since the last turn.
  Dimension claim_dimension = 0;
  std::int64_t claim_units = 0;

  // What counts against `wanted`. A waiting actor counts still; a waiting task does not, so another can be granted.
  std::uint32_t held() const;
  std::uint32_t leases() const { return active + blocked; }
  std::int32_t priority() const;
  Rank place() const { return {-priority(), held(), arrival}; }
};

// A big request may be passed by smaller ones a bounded number of times; then what it lacks is kept free for it. Not
// for ever: tasks may be running that end only after others have run, so holding and letting pass alternate, in spans
// that double. A request that some order of tasks ending could serve is served, and at most half of the time is lost.
class Patience {
 public:
  // Another request was served of what this one lacks.
  void passed(Time now) {
    if (now >= rest_until_) {
      ++passed_;
    }
  }
  // Whether to keep free what it lacks. Call it in the order of time.
  bool holding(Time now);
  void served() { *this = Patience(); }
  // When holding ends; kNever while it does not hold.
  Time hold_until() const { return hold_until_; }

  static constexpr std::uint32_t kMaxPassed = 16;

 private:
  static constexpr Time kFirstSpan = std::chrono::milliseconds(100);
  static constexpr Time kLongestSpan = std::chrono::hours(1);
  std::uint32_t passed_ = 0;
  Time hold_until_ = kNever;
  Time rest_until_{std::numeric_limits<std::int64_t>::min()};
  Time span_ = kFirstSpan;
};

inline bool Patience::holding(Time now) {
  if (passed_ < kMaxPassed) {
    return false;
  }
  if (hold_until_ == kNever) {
    hold_until_ = now + span_;
  }
  if (now < hold_until_) {
    return true;
  }
  span_ = std::min(2 * span_, kLongestSpan);
  passed_ = 0;
  rest_until_ = now + span_;
  hold_until_ = kNever;
  return false;
}

struct Shape {
  struct Use {
    Dimension dimension;
    std::int64_t units;
  };

  ResourceSet request;
  std::vector<Use> uses;      // all with units > 0, and one worker
  DimensionBits bits = 0;     // of uses
  std::uint32_t demands = 0;  // that refer to it
  std::map<Rank, Demand*> waiting;
  Patience patience;

  std::int64_t units_of(Dimension dimension) const {
    for (const Use& use : uses) {
      if (use.dimension == dimension) {
        return use.units;
      }
    }
    return 0;
  }
};

inline std::int32_t Demand::priority() const { return shape->request.priority; }
inline std::uint32_t Demand::held() const { return active + booked + (shape->request.own_worker ? blocked : 0); }

}  // namespace manta::sched
