#include "core/client/space_requests.h"

#include <chrono>

namespace manta::client {

namespace {

constexpr std::chrono::seconds kAnswerWithin{5};

}  // namespace

std::uint64_t SpaceRequests::ask(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const std::uint64_t number = ++last_;
  answers_[number] = std::nullopt;
  lock.unlock();
  node_.send(net::NeedSpace{number, bytes});
  lock.lock();
  const auto deadline = std::chrono::steady_clock::now() + kAnswerWithin;
  const std::optional<std::uint64_t>& answer = answers_[number];
  while (!closed_ && !answer && arrived_.wait_until(mutex_, deadline)) continue;
  const std::uint64_t made = answer.value_or(0);
  answers_.erase(number);
  return made;
}

void SpaceRequests::answered(const net::SpaceMade& made) {
  {
    const MutexLock guard(mutex_);
    const auto it = answers_.find(made.number);
    if (it != answers_.end()) it->second = made.bytes;
  }
  arrived_.notify_all();
}

void SpaceRequests::close() {
  {
    const MutexLock guard(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace manta::client
