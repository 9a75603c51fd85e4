#include "core/client/background.h"

#include <algorithm>

#include "core/client/local_runner.h"

namespace manta::client {

void Background::unpark() {
  const MutexLock guard(mutex_);
  if (!parked_.load() || stop_) return;
  parked_ = false;
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { run(); });
  } else {
    wake_.notify_all();
  }
}

void Background::stop() {
  {
    const MutexLock guard(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// True: no thread waits, and all links ring from now on; seen: the doorbell before that.
bool Background::tick(std::chrono::milliseconds passed, std::uint32_t& seen) {
  bool quiet = false;
  const OwnerLock guard(state_);
  state_.owner->tick(state_.page.others_wait.load(std::memory_order_relaxed),
                     static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed.count(), 1, 60'000)));
  const bool more = context_.look(Clock::now());
  if (state_.waiters == 0) {
    results_.drain();
    seen = state_.slot.replies.rings.load(std::memory_order_seq_cst);
    quiet = results_.prepare_sleep();
  }
  if ((!state_.owner->busy() && !more) || state_.node_gone) {
    const MutexLock background_guard(mutex_);
    parked_ = true;
  }
  return quiet;
}

// CLIENT-1: no thread waits, so this one takes in the results. Ticks stay kTick apart.
void Background::take_results(Clock::time_point until, std::uint32_t seen) {
  net::Doorbell& bell = state_.slot.replies;
  while (Clock::now() < until && bell.sleep(seen, until)) {
    const OwnerLock guard(state_);
    if (state_.waiters > 0) return;
    results_.drain();
    seen = bell.rings.load(std::memory_order_seq_cst);
    if (!results_.prepare_sleep()) seen = bell.rings.load(std::memory_order_seq_cst) - 1;
  }
}

// Until the time; where there is nothing to do, until there is something. True: it was that.
bool Background::pause(Clock::time_point until) {
  MutexLock guard(mutex_);
  if (!parked_) {
    while (!stop_ && wake_.wait_until(mutex_, until)) continue;
  }
  const bool parked = parked_.load();
  while (!stop_ && parked_.load()) {
    guard.unlock();
    const Clock::time_point expiry = context_.expire(Clock::now());
    guard.lock();
    while (!stop_ && parked_.load()) {
      if (expiry == Clock::time_point::max()) {
        wake_.wait(mutex_);
      } else if (!wake_.wait_until(mutex_, expiry)) {
        break;
      }
    }
  }
  return parked;
}

void Background::run() {
  serves_client() = true;
  Clock::time_point last_tick = Clock::now();
  for (;;) {
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_tick);
    last_tick += passed;
    std::uint32_t seen = 0;
    const bool quiet = tick(passed, seen);
    const Clock::time_point next = Clock::now() + kTick;
    if (quiet && !parked_.load()) take_results(next, seen);
    if (pause(next)) last_tick = Clock::now();
    const MutexLock guard(mutex_);
    if (stop_) return;
  }
}

}  // namespace manta::client
