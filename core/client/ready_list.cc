#include "core/client/ready_list.h"

#include <utility>

namespace manta::client {

std::size_t ReadyList::add(owner::Entry& entry, std::uint64_t token) {
  std::size_t place = watched_.size();
  if (free_.empty()) {
    watched_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  watched_[place] = {&entry, token};
  return place;
}

void ReadyList::resolved(std::size_t place) {
  ready_.push_back(place);
  if (std::exchange(armed_, false)) wake_();
}

void ReadyList::take(std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries) {
  for (const std::size_t place : ready_) {
    tokens.push_back(watched_[place].token);
    entries.push_back(std::exchange(watched_[place].entry, nullptr));
    free_.push_back(place);
  }
  ready_.clear();
}

std::vector<owner::Entry*> ReadyList::clear() {
  std::vector<owner::Entry*> entries;
  for (const Watched& each : watched_) {
    if (each.entry != nullptr) entries.push_back(each.entry);
  }
  watched_.clear();
  free_.clear();
  ready_.clear();
  return entries;
}

}  // namespace manta::client
