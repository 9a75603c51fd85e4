#include "core/net/send_queue.h"

#include <fcntl.h>

#include <utility>

namespace manta::net {

namespace {

// Of an attempt that has not sent the whole message.
Result<SendQueue::Wait> why_it_waits(const Result<bool>& sent) {
  if (sent) return SendQueue::Wait::writable;
  if (sent.error().code() == ErrorCode::exhausted) return SendQueue::Wait::resources;
  return tl::unexpected<Error>(sent.error());
}

}  // namespace

Result<SendQueue::Wait> SendQueue::send(std::vector<std::byte> message, std::span<const int> descriptors) {
  Message queued{std::move(message), {}, 0};
  Result<Wait> wait = Wait::writable;
  if (messages_.empty()) {
    const auto sent = socket_.try_send(queued.bytes, queued.sent, descriptors);
    if (sent && *sent) return Wait::nothing;
    wait = why_it_waits(sent);
    if (!wait) return wait;
  } else if (queued.bytes.empty() || queued.bytes.size() > ControlSocket::kMaxMessageBytes) {
    return fail(ErrorCode::invalid_argument, "control socket: a message of " + std::to_string(queued.bytes.size()) +
                                                 " bytes; from 1 to " +
                                                 std::to_string(ControlSocket::kMaxMessageBytes) + " can be sent");
  }
  for (const int fd : descriptors) {
    queued.descriptors.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!queued.descriptors.back()) return fail(ErrorCode::exhausted, "no descriptor is left (see ulimit -n)");
  }
  bytes_ += queued.bytes.size();
  messages_.push_back(std::move(queued));
  return wait;
}

Result<SendQueue::Wait> SendQueue::flush() {
  while (!messages_.empty()) {
    Message& next = messages_.front();
    std::vector<int> descriptors;
    for (const Fd& fd : next.descriptors) descriptors.push_back(fd.get());
    const auto sent = socket_.try_send(next.bytes, next.sent, descriptors);
    if (!sent || !*sent) return why_it_waits(sent);
    bytes_ -= next.bytes.size();
    messages_.pop_front();
  }
  return Wait::nothing;
}

void SendQueue::clear() {
  messages_.clear();
  bytes_ = 0;
}

}  // namespace manta::net
