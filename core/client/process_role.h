// What a process is: a driver (driver.h) or a worker (worker/executor.h). It has parts of its own, which it is given
// messages for.
#pragma once

#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/net/messages.h"

namespace manta::client {

class Client;

// Threading: begin() in the thread that makes the client; the rest in the thread that reads the node's messages.
class ProcessRole {
 public:
  virtual ~ProcessRole() = default;
  // For people: "driver 4711".
  virtual std::string name(const net::Welcome& welcome) const = 0;
  // The client is made, and nothing has been received yet.
  virtual void begin(Client& client) = 0;
  // What the client has no part for. Others are ignored.
  virtual void receive(net::NodeMessage& message, std::vector<Fd>& descriptors) = 0;
  // False: it is not for the role.
  virtual bool receive(ClientId from, net::PeerPacket& packet) = 0;
  // Before Owner::client_died and Owner::node_died.
  virtual void client_died(ClientId client) = 0;
  virtual void node_died(NodeId node) = 0;
  // After all has failed.
  virtual void connection_ended() = 0;
};

}  // namespace manta::client
