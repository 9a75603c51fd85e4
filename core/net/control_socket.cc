#include "core/net/control_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "core/base/limits.h"

namespace manta::net {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int) * ControlSocket::kMaxDescriptors);
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

Result<void> ControlSocket::send(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  for (;;) {
    auto sent = send_packet(bytes, descriptors, 0);
    if (!sent) return tl::make_unexpected(std::move(sent.error()));
    if (*sent) return {};
    wait_for(fd_.get(), POLLOUT);  // somebody made the socket non-blocking
  }
}

Result<bool> ControlSocket::try_send(std::span<const std::byte> bytes, std::span<const int> descriptors) {
  return send_packet(bytes, descriptors, MSG_DONTWAIT);
}

Result<bool> ControlSocket::send_packet(std::span<const std::byte> bytes, std::span<const int> descriptors,
                                        int flags) {
  // An empty packet cannot be told from the end of the connection.
  if (bytes.empty() || bytes.size() > kMaxPacketBytes || descriptors.size() > kMaxDescriptors) {
    return fail(ErrorCode::invalid_argument,
                "control socket: packet of " + std::to_string(bytes.size()) + " bytes and " +
                    std::to_string(descriptors.size()) + " descriptors; from 1 to " +
                    std::to_string(kMaxPacketBytes) + " and at most " + std::to_string(kMaxDescriptors) +
                    " can be sent");
  }
  iovec content{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::byte control[kControlBytes] = {};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
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
  for (;;) {
    auto packet = receive_packet(0);
    if (packet || packet.error().code() != ErrorCode::exhausted || !would_block_) return packet;
    wait_for(fd_.get(), POLLIN);
  }
}

Result<ControlSocket::Packet> ControlSocket::try_receive() { return receive_packet(MSG_DONTWAIT); }

Result<ControlSocket::Packet> ControlSocket::receive_packet(int flags) {
  would_block_ = false;
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
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      would_block_ = true;
      return fail(ErrorCode::exhausted, "control socket: no packet is there");
    }
    // A peer that died with packets unread shows as ECONNRESET once, before the packets that it had sent.
    if (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))) continue;
    return fail_errno("receive", errno);
  }
  Packet packet;
  packet.descriptors = take_descriptors(message);  // before any return: what is not handed out is closed
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return fail(ErrorCode::invalid_argument,
                (message.msg_flags & MSG_TRUNC) != 0
                    ? "control socket: a packet larger than " + std::to_string(kMaxPacketBytes) + " bytes arrived"
                    : std::string("control socket: descriptors were lost, because the peer sent more than ") +
                          std::to_string(kMaxDescriptors) + " or this process may not open more (ulimit -n)");
  }
  if (received == 0) return fail(ErrorCode::unavailable, "control socket: receive: the peer has gone");
  packet.bytes.assign(buffer_.get(), buffer_.get() + received);
  return packet;
}

}  // namespace manta::net
