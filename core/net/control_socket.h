// Messages with descriptors between processes of one node, over a Unix SOCK_SEQPACKET pair. A packet is u8 whether more
// of the message follows, then its next bytes; descriptors come with the last packet.
//
// Threading: one thread at a time sends, and one receives. Ownership: owns its descriptor; received descriptors belong
// to the caller. All descriptors are close-on-exec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <manta/error.h>

#include "core/base/fd.h"

namespace manta::net {

class ControlSocket {
 public:
  static constexpr std::size_t kMaxPacketBytes = 128 * 1024;
  static constexpr std::size_t kMaxPartBytes = kMaxPacketBytes - 1;
  static constexpr std::size_t kMaxMessageBytes = std::size_t{1} << 30;
  static constexpr std::size_t kMaxDescriptors = 8;

  struct Packet {
    std::vector<std::byte> bytes;
    std::vector<Fd> descriptors;
  };

  ControlSocket() = default;
  explicit ControlSocket(Fd fd) : fd_(std::move(fd)) {}
  // Two connected ends. Send buffers are raised so that a packet of kMaxPacketBytes fits.
  [[nodiscard]] static Result<std::pair<ControlSocket, ControlSocket>> pair();

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  Fd take() { return std::move(fd_); }  // leaves it empty

  // Blocks while the peer's buffer is full, also if the descriptor is non-blocking. unavailable: the peer is gone.
  // invalid_argument: empty, or above the limits.
  [[nodiscard]] Result<void> send(std::span<const std::byte> bytes, std::span<const int> descriptors = {});
  // Sends what the peer's buffer takes of the message, from `sent` on, which it advances. true: the whole message is
  // sent; false: the buffer is full, go on with the same message when the socket is writable.
  [[nodiscard]] Result<bool> try_send(std::span<const std::byte> bytes, std::size_t& sent,
                                      std::span<const int> descriptors = {});
  // Blocks. unavailable: the peer closed its end or died. invalid_argument: truncated packet or descriptors, or a
  // message above the limit.
  [[nodiscard]] Result<Packet> receive();
  // exhausted: no whole message is there now.
  [[nodiscard]] Result<Packet> try_receive();

 private:
  Result<void> check(std::span<const std::byte> bytes, std::span<const int> descriptors) const;
  Result<bool> send_parts(std::span<const std::byte> bytes, std::size_t& sent, std::span<const int> descriptors,
                          int flags);
  Result<bool> send_packet(std::span<const std::byte> part, bool more, std::span<const int> descriptors, int flags);
  enum class Received { nothing, part, message };
  Result<Received> receive_packet(Packet& packet, int flags);

  Fd fd_;
  std::unique_ptr<std::byte[]> buffer_;  // made by the first receive
  std::vector<std::byte> begun_;         // parts of a message that have arrived
};

}  // namespace manta::net
