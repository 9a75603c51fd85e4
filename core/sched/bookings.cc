#include "core/sched/bookings.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace manta::sched {

Booking Bookings::take(ByOutfit::iterator entry, std::deque<Booking>::iterator at) {
  Booking booking = std::move(*at);
  entry->second.erase(at);
  if (entry->second.empty()) bookings_.erase(entry);
  return booking;
}

std::size_t Bookings::count(const Outfit& outfit) const {
  const auto entry = bookings_.find(outfit);
  return entry == bookings_.end() ? 0 : entry->second.size();
}

std::optional<Booking> Bookings::take_oldest(const Worker& worker) {
  const auto entry = bookings_.find(worker.outfit);
  if (entry == bookings_.end()) return std::nullopt;
  const auto first = std::find_if(entry->second.begin(), entry->second.end(), [&](const Booking& booking) {
    return !worker.used || !booking.demand->shape->request.own_worker;
  });
  if (first == entry->second.end()) return std::nullopt;
  return take(entry, first);
}

std::optional<Booking> Bookings::take_newest(const Outfit& outfit) {
  const auto entry = bookings_.find(outfit);
  if (entry == bookings_.end()) return std::nullopt;
  return take(entry, std::prev(entry->second.end()));
}

std::optional<Booking> Bookings::take_newest(const Demand& demand) {
  for (auto entry = bookings_.begin(); entry != bookings_.end(); ++entry) {
    std::deque<Booking>& all = entry->second;
    const auto newest =
        std::find_if(all.rbegin(), all.rend(), [&](const Booking& booking) { return booking.demand == &demand; });
    if (newest != all.rend()) return take(entry, std::prev(newest.base()));
  }
  return std::nullopt;
}

}  // namespace manta::sched
