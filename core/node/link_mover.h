// Objects that move between nodes over their link.
//
// The reader's daemon asks the daemon that holds the arena; that sends the block in chunks, a window of them at a time,
// so that a link carries other messages in between. The copy is memory of its own that the reader maps; it does
// not count towards the store's budget.
//
//   PULL-2  at most kWindow chunks of a pull are under way, and kAtOnce pulls to a node; the others wait their turn
//
// Threading: the daemon's loop. Ownership: owns mappings of what is under way.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "core/base/fd.h"
#include "core/base/loop_thread.h"
#include "core/node/link_messages.h"
#include "core/node/mover.h"
#include "core/store/arena.h"

namespace manta::node {

class LinkMoverEffects : public MoverEffects {
 public:
  virtual void to_node(NodeId node, const link::Message& message) = 0;
};

class LinkMover final : public Mover {
 public:
  static constexpr std::size_t kChunkBytes = 256 << 10;
  static constexpr std::size_t kWindow = 16;
  static constexpr std::size_t kAtOnce = 4;

  explicit LinkMover(LinkMoverEffects& effects) : effects_(effects) {}
  ~LinkMover() override;

  void pull(ClientId client, std::uint64_t id, const owner::StoredLocation& location) override;
  void client_left(ClientId client) override;
  void node_left(NodeId node, const std::string& status) override;

  // From other nodes.
  void serve(NodeId from, std::uint64_t id, const owner::StoredLocation& location);
  void chunk(NodeId from, std::uint64_t id, std::span<const std::byte> bytes);
  void more(NodeId from, std::uint64_t id);
  void failed(NodeId from, std::uint64_t id, const std::string& why);

 private:
  struct Incoming {
    ClientId client;
    std::uint64_t id = 0;  // the client's
    NodeId from;
    Fd memory;
    std::byte* base = nullptr;
    std::uint64_t size_bytes = 0;
    std::uint64_t received = 0;
  };
  struct Outgoing {
    std::shared_ptr<const store::ArenaView> view;
    const std::byte* next = nullptr;
    std::uint64_t left = 0;
    bool started = false;
    std::size_t under_way = 0;  // chunks sent and not taken
  };
  using Map = std::map<std::uint64_t, Incoming>;

  void end(Map::iterator pull, const std::string& why);
  void send_chunk(NodeId to, std::uint64_t id);
  void start_next(NodeId to);

  [[no_unique_address]] LoopThread loop_thread_;
  LinkMoverEffects& effects_;
  std::uint64_t next_ = 1;
  Map incoming_;
  struct Queue {
    std::size_t started = 0;
    std::deque<std::uint64_t> waiting;
  };
  std::map<std::pair<NodeId, std::uint64_t>, Outgoing> outgoing_;
  std::map<NodeId, Queue> queues_;
  std::map<NodeId, std::string> lost_;  // dead nodes, and how they died
};

}  // namespace manta::node
