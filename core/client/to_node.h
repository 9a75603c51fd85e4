// Messages of this process to its node, and by way of it to other processes.
#pragma once

#include <manta/error.h>

#include "core/net/messages.h"

namespace manta::client {

// Threading: any thread.
class ToNode {
 public:
  virtual ~ToNode() = default;
  // In the order of the calls, without blocking. A message to a node that is gone is dropped: the reading thread sees
  // the end of the connection.
  virtual void send(const net::ClientMessage& message) = 0;
  virtual void send_to_peer(ClientId to, const net::PeerPacket& packet) = 0;
  // For what the program has named: invalid_argument if the message is too long.
  [[nodiscard]] virtual Result<void> try_send(const net::ClientMessage& message) = 0;
  // Blocks while much waits to be sent: before more is made, without locks (OUTBOX-1).
  virtual void wait_for_space() = 0;
};

}  // namespace manta::client
