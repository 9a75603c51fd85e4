// Messages on their way to the peer of a control socket, which may not take them at once.
//
// Threading: one thread at a time. Ownership: the socket is the caller's and outlives it; descriptors are duplicated.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include <manta/error.h>

#include "core/base/fd.h"
#include "core/net/control_socket.h"

namespace manta::net {

class SendQueue {
 public:
  // What the rest of the queue waits for.
  enum class Wait {
    nothing,    // the queue is empty
    writable,   // the socket is full
    resources,  // the kernel lacks memory, or has too many descriptors under way; try again in a moment
  };

  explicit SendQueue(ControlSocket& socket) : socket_(socket) {}

  // Sends the message at once if none waits, else keeps it. unavailable: the peer is gone. invalid_argument: above the
  // socket's limits. exhausted: its descriptors cannot be duplicated. After an error the message is dropped.
  [[nodiscard]] Result<Wait> send(std::vector<std::byte> message, std::span<const int> descriptors = {});
  [[nodiscard]] Result<Wait> flush();
  void clear();

  bool empty() const { return messages_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Message {
    std::vector<std::byte> bytes;
    std::vector<Fd> descriptors;
    std::size_t sent = 0;
  };

  ControlSocket& socket_;
  std::deque<Message> messages_;
  std::size_t bytes_ = 0;
};

}  // namespace manta::net
