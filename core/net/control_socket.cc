#include "core/net/control_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "core/base/limits.h"

namespace manta::net {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * ControlSocket::kMaxDescriptors);
constexpr int kPartsInARow = 16;       // of one try_receive: its caller has others to serve
constexpr int kBufferBytes = 4 << 20;  // the kernel gives what net.core.wmem_max allows, at least one largest packet

tl::unexpected<Error> fail_errno(const char* what, int error) {
  ErrorCode code = ErrorCode::internal;
  switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
      return fail(ErrorCode::unavailable, std::string("control socket: ") + what + ": the peer has gone");
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ETOOMANYREFS:  // more descriptors in flight than this user may have open
      code = ErrorCode::exhausted;
      break;
    case EBADF:
    case EMSGSIZE:
    case EINVAL:
      code = ErrorCode::invalid_argument;
      break;
  }
  return fail(code, std::string("control socket: ") + what + ": " + std::generic_category().message(error) +
                        (code == ErrorCode::exhausted ? limit_advice(error) : ""));
}

void wait_for(int fd, short events) {
  pollfd wanted{fd, events, 0};
  (void)::poll(&wanted, 1, -1);  // whatever it says, the next call on the socket tells more
}

// The descriptors of the message, each owned from here on.
std::vector<Fd> take_descriptors(msghdr& message) {
  std::vector<Fd> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

Result<std::pair<ControlSocket, ControlSocket>> ControlSocket::pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("create", errno);
  for (const int end : ends) {
    (void)::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof(kBufferBytes));
    (void)::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof(kBufferBytes));
  }
  return std::pair(ControlSocket(Fd(ends[0])), ControlSocket(Fd(ends[1])));
}

Result<void> ControlSocket::check(std::span<const std::byte> bytes, std::span<const int> descriptors) const {
  // An empty packet looks like the end of the connection.
  if (!bytes.empty() && bytes.size() <= kMaxMessageBytes && descriptors.size() <= kMaxDescriptors) return {};
  return fail(ErrorCode::invalid_argument, "control socket: message of " + std::to_string(bytes.size()) +
                                               " bytes and " + std::to_string(descriptors.size()) +
                                               " descriptors; from 1 to " + std::to_string(kMaxMessageBytes) +
                                               " and at most " + std::to_string(kMaxDescriptors) + " can be sent");
}

Result<void> ControlSocket::send(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  for (std::size_t sent = 0;;) {
    auto done = send_parts(bytes, sent, descriptors, 0);
    if (!done) return tl::make_unexpected(std::move(done.error()));
    if (*done) return {};
    wait_for(fd_.get(), POLLOUT);  // the descriptor is non-blocking
  }
}

Result<bool> ControlSocket::try_send(std::span<const std::byte> bytes, std::size_t& sent,
                                     std::span<const int> descriptors) {
  return send_parts(bytes, sent, descriptors, MSG_DONTWAIT);
}

Result<bool> ControlSocket::send_parts(std::span<const std::byte> bytes, std::size_t& sent,
                                       std::span<const int> descriptors, int flags) {
  if (auto fits = check(bytes, descriptors); !fits) return tl::make_unexpected(std::move(fits.error()));
  while (sent < bytes.size()) {
    const auto part = bytes.subspan(sent, std::min(kMaxPartBytes, bytes.size() - sent));
    const bool more = sent + part.size() < bytes.size();
    auto went = send_packet(part, more, more ? std::span<const int>() : descriptors, flags);
    if (!went || !*went) return went;
    sent += part.size();
  }
  return true;
}

Result<bool> ControlSocket::send_packet(std::span<const std::byte> part, bool more, std::span<const int> descriptors,
                                        int flags) {
  std::byte head{more};
  iovec content[] = {{&head, 1}, {const_cast<std::byte*>(part.data()), part.size()}};
  alignas(cmsghdr) std::byte control[kControlBytes] = {};
  msghdr message{};
  message.msg_iov = content;
  message.msg_iovlen = 2;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    if (::sendmsg(fd_.get(), &message, flags | MSG_NOSIGNAL) >= 0) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return fail_errno("send", errno);
  }
}

Result<ControlSocket::Packet> ControlSocket::receive() {
  for (Packet packet;;) {
    auto received = receive_packet(packet, 0);
    if (!received) return tl::make_unexpected(std::move(received.error()));
    if (*received == Received::message) return packet;
    if (*received == Received::nothing) wait_for(fd_.get(), POLLIN);
  }
}

Result<ControlSocket::Packet> ControlSocket::try_receive() {
  Packet packet;
  for (int parts = 0; parts < kPartsInARow; ++parts) {
    auto received = receive_packet(packet, MSG_DONTWAIT);
    if (!received) return tl::make_unexpected(std::move(received.error()));
    if (*received == Received::message) return packet;
    if (*received == Received::nothing) break;
  }
  return fail(ErrorCode::exhausted, "control socket: no whole message is there");
}

Result<ControlSocket::Received> ControlSocket::receive_packet(Packet& packet, int flags) {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kMaxPacketBytes);
  iovec content{buffer_.get(), kMaxPacketBytes};
  alignas(cmsghdr) std::byte control[kControlBytes];
  msghdr message{};
  ssize_t received = -1;
  bool reset = false;
  for (;;) {
    message = {};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    received = ::recvmsg(fd_.get(), &message, flags | MSG_CMSG_CLOEXEC);
    if (received >= 0) break;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Received::nothing;
    // A peer that died with packets unread shows as ECONNRESET once, before the packets that it had sent.
    if (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))) continue;
    return fail_errno("receive", errno);
  }
  packet.descriptors = take_descriptors(message);  // before any return: what is not handed out is closed
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(ErrorCode::invalid_argument,
                (message.msg_flags & MSG_TRUNC) != 0
                    ? "control socket: a packet larger than " + std::to_string(kMaxPacketBytes) + " bytes arrived"
                    : std::string("control socket: descriptors were lost, because the peer sent more than ") +
                          std::to_string(kMaxDescriptors) + " or this process may not open more (ulimit -n)");
  }
  if (received == 0) return fail(ErrorCode::unavailable, "control socket: receive: the peer has gone");
  const std::span<const std::byte> part(buffer_.get() + 1, static_cast<std::size_t>(received) - 1);
  if (part.size() > kMaxMessageBytes - begun_.size()) {
    return fail(ErrorCode::invalid_argument,
                "control socket: a message of more than " + std::to_string(kMaxMessageBytes) + " bytes arrived");
  }
  if (buffer_[0] != std::byte{0}) {
    begun_.insert(begun_.end(), part.begin(), part.end());
    return Received::part;
  }
  packet.bytes = std::exchange(begun_, {});
  packet.bytes.insert(packet.bytes.end(), part.begin(), part.end());
  return Received::message;
}

}  // namespace manta::net
