// Messages with descriptors between processes of one node, over a Unix SOCK_SEQPACKET pair: one packet, one message.
//
// Threading: send() from any thread (packets do not mix); receive() from one thread at a time. Ownership: owns its
// descriptor; received descriptors belong to the caller. All descriptors are close-on-exec.
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
  // true: sent; false: the peer's buffer is full, try again when writable.
  [[nodiscard]] Result<bool> try_send(std::span<const std::byte> bytes, std::span<const int> descriptors = {});
  // Blocks. unavailable: the peer closed its end or died. invalid_argument: truncated packet or descriptors.
  [[nodiscard]] Result<Packet> receive();
  // exhausted: nothing there now.
  [[nodiscard]] Result<Packet> try_receive();

 private:
  [[nodiscard]] Result<bool> send_packet(std::span<const std::byte> bytes, std::span<const int> descriptors, int flags);
  [[nodiscard]] Result<Packet> receive_packet(int flags);

  Fd fd_;
  std::unique_ptr<std::byte[]> buffer_;  // made by the first receive
  bool would_block_ = false;             // whether the last receive failed because nothing was there
};

}  // namespace manta::net
