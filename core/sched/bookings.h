// Resources that are taken for demands whose worker processes are still being started.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "core/sched/resources.h"
#include "core/sched/shape.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

struct Booking {
  Demand* demand = nullptr;
  Allocation allocation;
  std::uint64_t arrival = 0;  // of the demand when it was made: its place if the worker cannot be started
};

// By outfit of the worker, in the order of booking.
//
// Threading: none of its own. Ownership: owns the allocations; the caller gives back what it takes out.
class Bookings {
 public:
  void add(const Outfit& outfit, Booking booking) { bookings_[outfit].push_back(std::move(booking)); }
  std::size_t count(const Outfit& outfit) const;
  // Takes out the oldest one that the worker may serve, whichever process was started for that: a used worker serves no
  // actor.
  std::optional<Booking> take_oldest(const Worker& worker);
  // Takes out the newest one of the outfit.
  std::optional<Booking> take_newest(const Outfit& outfit);
  // Takes out the newest one of the demand among those of one outfit.
  std::optional<Booking> take_newest(const Demand& demand);
  // No empty deques.
  const std::map<Outfit, std::deque<Booking>>& all() const { return bookings_; }

 private:
  using ByOutfit = std::map<Outfit, std::deque<Booking>>;
  Booking take(ByOutfit::iterator entry, std::deque<Booking>::iterator at);

  ByOutfit bookings_;
};

}  // namespace manta::sched
