#include "core/client/arenas.h"

namespace manta::client {

Result<std::shared_ptr<const store::ArenaView>> Arenas::view(ClientId arena) {
  std::unique_lock lock(mutex_);
  const auto forgotten = forgotten_.find(arena);
  if (forgotten != forgotten_.end()) ++forgotten->second;
  if (!views_.contains(arena) && !closed_) {
    lock.unlock();
    request_(arena);
    lock.lock();
  }
  arrived_.wait(lock, [&] { return views_.contains(arena) || closed_; });
  const auto it = views_.find(arena);
  if (it == views_.end()) return fail(ErrorCode::object_lost, "the object's memory went with its node");
  const auto view = it->second;
  if (forgotten != forgotten_.end() && --forgotten->second == 0) views_.erase(it);
  return view;
}

void Arenas::forget(ClientId arena) {
  std::shared_ptr<const store::ArenaView> unmapped_later;
  const std::lock_guard lock(mutex_);
  if (!forgotten_.try_emplace(arena, 0).second) return;
  const auto it = views_.find(arena);
  if (it == views_.end()) return;
  if (it->second) unmapped_later = *it->second;
  views_.erase(it);
}

std::shared_ptr<const store::ArenaView> Arenas::known(ClientId arena) {
  const std::lock_guard lock(mutex_);
  const auto it = views_.find(arena);
  return it != views_.end() && it->second ? *it->second : nullptr;
}

void Arenas::arrived(ClientId arena, Fd memory) {
  auto view = memory ? store::ArenaView::open(std::move(memory))
                     : Result<std::shared_ptr<const store::ArenaView>>(
                           fail(ErrorCode::object_lost, "the process that held the object's memory is unknown here"));
  {
    const std::lock_guard lock(mutex_);
    const auto it = views_.find(arena);
    if (it == views_.end() || !it->second) views_.insert_or_assign(arena, std::move(view));
  }
  arrived_.notify_all();
}

void Arenas::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace manta::client
