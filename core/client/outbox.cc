#include "core/client/outbox.h"

#include <poll.h>

#include <utility>

namespace manta::client {

Outbox::~Outbox() { close(); }

Result<void> Outbox::send(std::vector<std::byte> message) {
  const MutexLock guard(mutex_);
  if (closed_) return fail(ErrorCode::unavailable, "the node process is gone");
  const bool waited = !queue_.empty();
  auto wait = queue_.send(std::move(message));
  if (!wait) return tl::unexpected<Error>(wait.error());
  if (waited || queue_.empty()) {
    full_ = queue_.bytes() >= kFullBytes;
    return {};
  }
  wait_ = *wait;
  full_ = queue_.bytes() >= kFullBytes;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
  return {};
}

void Outbox::wait_for_space() {
  if (!full_.load(std::memory_order_relaxed)) return;
  const MutexLock lock(mutex_);
  while (!closed_ && queue_.bytes() >= kFullBytes) changed_.wait(mutex_);
}

void Outbox::flush(std::chrono::steady_clock::time_point deadline) {
  const MutexLock lock(mutex_);
  while (!closed_ && !queue_.empty() && changed_.wait_until(mutex_, deadline)) continue;
}

void Outbox::close() {
  {
    const MutexLock guard(mutex_);
    closed_ = true;
    full_ = false;
    queue_.clear();
  }
  wake_.notify_one();
  changed_.notify_all();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void Outbox::run() {
  MutexLock lock(mutex_);
  for (;;) {
    while (!closed_ && queue_.empty()) wake_.wait(mutex_);
    if (closed_) return;
    const bool writable = wait_ == net::SendQueue::Wait::writable;
    lock.unlock();
    // The limit is for close(), which cannot wake a poll.
    pollfd peer{socket_.fd(), static_cast<short>(writable ? POLLOUT : 0), 0};
    (void)::poll(&peer, writable ? 1 : 0, writable ? 50 : 1);
    lock.lock();
    if (closed_) return;
    const auto wait = queue_.flush();
    if (!wait) queue_.clear();  // the node is gone; the reading thread reports that
    wait_ = wait.value_or(net::SendQueue::Wait::nothing);
    full_ = queue_.bytes() >= kFullBytes;
    changed_.notify_all();
  }
}

}  // namespace manta::client
