// The processes of this node: their sockets, their slots in the node's page, and the memory of their arenas.
//
//   CONN-1  the messages of a process are handled in order, and those that it had sent when it died before its end
//   CONN-2  a process that does not read its messages makes those wait that send to it (back_pressure.h); a worker that
//           reads none for kStuckFor while too much waits for it is reported as stuck
//
// Threading: the loop's. Ownership: owns the connections; events must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/loop_thread.h"
#include "core/net/messages.h"
#include "core/net/node_page.h"
#include "core/node/back_pressure.h"
#include "core/node/connection.h"

namespace manta::node {

class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  virtual void message(Connection& from, net::ClientMessage message) = 0;
  // The process has closed its end, or is damaged.
  virtual void closed(Connection& connection) = 0;
  virtual void stuck(Connection& connection) = 0;
  // A process had its turn.
  virtual void turn_over() = 0;
  // The node ends: no more messages are handled.
  virtual bool stopping() const = 0;
};

class Connections {
 public:
  using Map = std::map<ClientId, std::unique_ptr<Connection>>;

  // Throws Error.
  Connections(boost::asio::io_context& io, std::uint64_t store_capacity_bytes, BackPressure& pressure,
              ConnectionEvents& events);

  // Reads from the socket from now on. exhausted: no slot is left.
  [[nodiscard]] Result<Connection*> add(ClientId id, net::ControlSocket socket);
  // The process is gone. Its blocks stay readable where the caller keeps arena_for_readers.
  void remove(Connection& connection);
  Connection* find(ClientId id) const;
  const Map& all() const { return connections_; }
  // Those that have greeted and have not closed.
  std::vector<ClientId> live() const;
  bool any_starting() const;

  // Completes the message, and sends it with the page and the arena.
  void welcome(Connection& connection, net::Welcome message);
  void send(Connection& connection, const net::NodeMessage& message, std::span<const int> descriptors = {});
  // To all that have greeted; how many.
  std::size_t send_to_live(const net::NodeMessage& message);
  void send_to_all(const net::NodeMessage& message);
  // Handles what the process had sent before it died.
  void read_last(Connection& connection);
  // Nothing more is read.
  static void stop_reading(Connection& connection);

  net::NodePage& page() const { return *page_; }
  net::ClientSlot& slot_of(const Connection& connection) const { return page_->slots[connection.slot]; }

 private:
  void watch(Connection& connection);
  void on_readable(Connection& connection);
  void send_encoded(Connection& connection, std::vector<std::byte> message, std::span<const int> descriptors);
  void flush(Connection& connection);
  void flush_later(Connection& connection, net::SendQueue::Wait wait);
  void cut_off(Connection& connection, const std::string& why);

  [[no_unique_address]] LoopThread loop_thread_;
  boost::asio::io_context& io_;
  BackPressure& pressure_;
  ConnectionEvents& events_;
  Fd page_memory_;
  net::NodePage* page_ = nullptr;
  std::vector<std::uint32_t> free_slots_;
  Map connections_;
};

}  // namespace manta::node
