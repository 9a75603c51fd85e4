#include "core/worker/coroutines.h"

#include <algorithm>

namespace manta::worker {

using detail::Await;

bool Coroutines::wait_for(Await& await) { return client_->watchers().await(await); }

void Coroutines::wait_until(Await& await, detail::Deadline time) {
  if (time == detail::Deadline::min()) {
    await.on = Await::On::nothing;
    ready_.push_back(&await);
  } else {
    await.on = Await::On::time;
    times_.emplace(time, &await);
  }
}

void Coroutines::forget(Await& await) noexcept {
  const auto taken = std::find(ready_.begin(), ready_.end(), &await);
  if (taken != ready_.end()) {
    *taken = nullptr;  // in place: collect() has counted it
  } else if (await.on == Await::On::time) {
    std::erase_if(times_, [&](const auto& timed) { return timed.second == &await; });
  } else {
    client_->watchers().forget(await);
  }
}

std::size_t Coroutines::collect() {
  if (!times_.empty()) {
    const auto now = client::Client::Clock::now();
    while (!times_.empty() && times_.begin()->first <= now) {
      ready_.push_back(times_.begin()->second);
      times_.erase(times_.begin());
    }
  }
  if (client_->watchers().awaits().ready()) {
    for (Await* await = client_->watchers().take_awaited(); await != nullptr; await = await->next)
      ready_.push_back(await);
  }
  return ready_.size();
}

Await* Coroutines::pop() {
  if (ready_.empty()) return nullptr;
  Await* first = ready_.front();
  ready_.pop_front();
  return first;
}

}  // namespace manta::worker
