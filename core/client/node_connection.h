// The connection to the node: the socket, what waits to be sent on it, and the thread that reads from it.
//
// Threading: messages may be sent from any thread; the receiver is called in the reading thread. Ownership: owns the
// socket and the mapping of the node's page, which all parts use: it is destroyed last.
#pragma once

#include <chrono>
#include <thread>
#include <vector>

#include "core/base/fd.h"
#include "core/client/outbox.h"
#include "core/client/to_node.h"
#include "core/net/control_socket.h"
#include "core/net/messages.h"
#include "core/net/node_page.h"

namespace manta::client {

// What the node sends.
class NodeReceiver {
 public:
  virtual ~NodeReceiver() = default;
  virtual void receive(net::NodeMessage message, std::vector<Fd>& descriptors) = 0;
  // The node is gone, or the connection was ended here: nothing follows.
  virtual void connection_ended() = 0;
};

class NodeConnection final : public ToNode {
 public:
  struct Opened {
    net::Welcome welcome;
    net::NodePage* page = nullptr;
    Fd arena;  // memory for the process' own objects
  };

  explicit NodeConnection(net::ControlSocket node) : node_(std::move(node)) {}
  ~NodeConnection() override;

  // Reads the node's first message; blocks. Throws Error.
  Opened open();
  // From now on, in a thread of its own.
  void read(NodeReceiver& receiver);
  // Blocks until all is sent, the node is gone, or the time is over.
  void flush(std::chrono::steady_clock::time_point deadline) { outbox_.flush(deadline); }
  // The node is gone: what waits is dropped.
  void close() { outbox_.close(); }
  // Ends the connection, and returns when the reading thread has ended. False: it does not run.
  bool stop_reading();

  // --- ToNode
  void send(const net::ClientMessage& message) override;
  void send_to_peer(ClientId to, const net::PeerPacket& packet) override;
  [[nodiscard]] Result<void> try_send(const net::ClientMessage& message) override {
    return outbox_.send(net::encode(message));
  }
  void wait_for_space() override { outbox_.wait_for_space(); }

 private:
  net::ControlSocket node_;
  Outbox outbox_{node_};
  net::NodePage* page_ = nullptr;
  std::thread reader_;
};

}  // namespace manta::client
