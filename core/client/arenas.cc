#include "core/client/arenas.h"

namespace manta::client {

Result<std::shared_ptr<const store::ArenaView>> Arenas::view(ClientId arena) {
  MutexLock lock(mutex_);
  ++wanted_[arena];
  if (!views_.contains(arena) && !closed_) {
    lock.unlock();
    request_(arena);
    lock.lock();
  }
  while (!views_.contains(arena) && !closed_) arrived_.wait(mutex_);
  const auto it = views_.find(arena);
  Result<std::shared_ptr<const store::ArenaView>> view =
      it != views_.end() ? it->second : fail(ErrorCode::object_lost, "the object's memory went with its node");
  if (--wanted_[arena] == 0) {
    wanted_.erase(arena);
    if (forgotten_.contains(arena)) views_.erase(arena);
  }
  return view;
}

void Arenas::forget(ClientId arena) {
  std::shared_ptr<const store::ArenaView> unmapped_later;
  const MutexLock lock(mutex_);
  forgotten_.insert(arena);
  const auto it = views_.find(arena);
  if (it == views_.end() || wanted_.contains(arena)) return;
  if (it->second) unmapped_later = *it->second;
  views_.erase(it);
}

std::shared_ptr<const store::ArenaView> Arenas::known(ClientId arena) {
  const MutexLock lock(mutex_);
  const auto it = views_.find(arena);
  return it != views_.end() && it->second ? *it->second : nullptr;
}

void Arenas::arrived(ClientId arena, Fd memory) {
  auto view = memory ? store::ArenaView::open(std::move(memory))
                     : Result<std::shared_ptr<const store::ArenaView>>(
                           fail(ErrorCode::object_lost, "the process that held the object's memory is unknown here"));
  {
    const MutexLock lock(mutex_);
    const auto it = views_.find(arena);
    if (it == views_.end() || !it->second) views_.insert_or_assign(arena, std::move(view));
  }
  arrived_.notify_all();
}

void Arenas::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace manta::client
