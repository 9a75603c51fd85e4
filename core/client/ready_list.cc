#include "core/client/ready_list.h"

#include <utility>

#include "core/client/client.h"

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

// --- of the client

void Client::watch(ReadyList& list, owner::Entry& entry, std::uint64_t token) {
  detail::retain(&entry);
  const MutexLock guard(mutex_);
  const std::size_t place = list.add(entry, token);
  if (entry.phase == owner::Phase::resolved) return list.resolved(place);
  entry.watched = true;
  ready_watchers_[&entry].emplace_back(&list, place);
  owner_->tasks().want(entry);  // may resolve it
}

void Client::take_ready(ReadyList& list, std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries) {
  const MutexLock guard(mutex_);
  drain();
  list.take(tokens, entries);
}

// As prepare_to_sleep_awaiting: from now on the background thread looks for results, or a thread that waits.
bool Client::arm(ReadyList& list) {
  const MutexLock guard(mutex_);
  drain();
  return prepare_sleep() && list.arm();
}

void Client::unwatch(ReadyList& list) {
  std::vector<owner::Entry*> entries;
  {
    const MutexLock guard(mutex_);
    entries = list.clear();
    for (owner::Entry* entry : entries) {
      const auto it = ready_watchers_.find(entry);
      if (it == ready_watchers_.end()) continue;
      std::erase_if(it->second, [&](const auto& watcher) { return watcher.first == &list; });
      if (it->second.empty()) ready_watchers_.erase(it);
    }
  }
  for (owner::Entry* entry : entries) detail::release(entry);
}

}  // namespace manta::client
