#include "core/client/watchers.h"

namespace manta::client {

void Watchers::resolved(owner::Entry& entry) {
  const auto it = completions_.find(&entry);
  if (it != completions_.end()) {
    for (const auto& [completions, index] : it->second) completions->add(index);
    completions_.erase(it);
  }
  if (const auto watching = lists_.find(&entry); watching != lists_.end()) {
    const auto lists = std::move(watching->second);
    lists_.erase(watching);
    for (const auto& [list, place] : lists) list->resolved(place);
  }
  if (awaits_.any() && awaits_.resolved(entry)) state_.slot.tasks.wake();
  state_.slot.replies.wake();
}

// --- threads

void Watchers::add(Completions& completions, std::span<detail::EntryHead* const> heads) {
  const OwnerLock guard(state_);
  completions.entries.reserve(heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    auto* entry = static_cast<owner::Entry*>(heads[i]);
    detail::retain(entry);
    completions.entries.push_back(entry);
    if (entry->phase == owner::Phase::resolved) {
      completions.add(i);
      entry->seen = true;  // a failure is no surprise to the caller
    } else {
      entry->watched = true;
      completions_[entry].emplace_back(&completions, i);
      state_.owner->tasks().want(*entry);
    }
  }
}

void Watchers::remove(Completions& completions) {
  {
    const OwnerLock guard(state_);
    for (owner::Entry* entry : completions.entries) {
      const auto it = completions_.find(entry);
      if (it == completions_.end()) continue;
      std::erase_if(it->second, [&](const auto& watcher) { return watcher.first == &completions; });
      if (it->second.empty()) completions_.erase(it);
    }
  }
  for (owner::Entry* entry : completions.entries) detail::release(entry);
  completions.entries.clear();
}

// --- loops of the program

void Watchers::watch(ReadyList& list, owner::Entry& entry, std::uint64_t token) {
  detail::retain(&entry);
  const OwnerLock guard(state_);
  const std::size_t place = list.add(entry, token);
  if (entry.phase == owner::Phase::resolved) return list.resolved(place);
  entry.watched = true;
  lists_[&entry].emplace_back(&list, place);
  state_.owner->tasks().want(entry);  // may resolve it
}

void Watchers::take_ready(ReadyList& list, std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries) {
  const OwnerLock guard(state_);
  results_.drain();
  list.take(tokens, entries);
}

bool Watchers::arm(ReadyList& list) {
  const OwnerLock guard(state_);
  results_.drain();
  return results_.prepare_sleep() && list.arm();
}

void Watchers::unwatch(ReadyList& list) {
  std::vector<owner::Entry*> entries;
  {
    const OwnerLock guard(state_);
    entries = list.clear();
    for (owner::Entry* entry : entries) {
      const auto it = lists_.find(entry);
      if (it == lists_.end()) continue;
      std::erase_if(it->second, [&](const auto& watcher) { return watcher.first == &list; });
      if (it->second.empty()) lists_.erase(it);
    }
  }
  for (owner::Entry* entry : entries) detail::release(entry);
}

// --- coroutines

bool Watchers::await(detail::Await& await) {
  auto& entry = static_cast<owner::Entry&>(*await.entry);
  const OwnerLock guard(state_);
  results_.drain();
  const bool there = entry.resolved.load(std::memory_order_acquire);
  if (there) {
    if (state_.waiters.load(std::memory_order_relaxed) > 0) state_.slot.replies.wake();  // CLIENT-2
    return false;
  }
  entry.watched = true;
  awaits_.add(await);
  state_.owner->tasks().want(entry);  // may resolve it: then it is ready
  return true;
}

void Watchers::forget(detail::Await& await) {
  const OwnerLock guard(state_);
  awaits_.remove(await);
}

detail::Await* Watchers::take_awaited() {
  const OwnerLock guard(state_);
  return awaits_.take();
}

bool Watchers::drain_awaited() {
  const OwnerLock guard(state_);
  results_.drain();
  return awaits_.ready();
}

bool Watchers::prepare_to_sleep_awaiting() {
  const OwnerLock guard(state_);
  results_.drain();
  return results_.prepare_sleep() && !awaits_.ready();
}

}  // namespace manta::client
