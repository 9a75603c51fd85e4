// Messages between members in shared memory: cut into fragments that pass through the channel of the pair.
//
//   MAIL-1  messages of a pair go through the channel one after the other, in the order they were started
//   MAIL-2  a member that waits takes in what arrives, even before it is asked for, so that two that send to each other
//           at once both go on; beyond kEarlyBytes of it, senders wait
//
// Threading and ownership: as Member's, and Transfer's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "core/collective/member.h"
#include "core/collective/transport.h"

namespace manta::collective {

class Mailbox {
 public:
  explicit Mailbox(Member& member);

  // As Transport's.
  void start(Transfer& transfer);
  void finish(Transfer& transfer);
  void await_transfers(const std::atomic<bool>& woken);

 private:
  static constexpr std::size_t kEarlyBytes = 256 << 20;

  struct Early {
    int tag;
    std::uint64_t size_bytes;
    std::vector<std::byte> bytes;
    bool complete = false;
  };
  // What goes on with one peer.
  struct Peer {
    std::list<Transfer*> sending;
    std::list<Transfer*> receiving;
    std::list<Early> early;
    Transfer* direct = nullptr;  // where the message goes of which fragments are coming in: here
    Early* stored = nullptr;     // or here
    std::uint64_t came_bytes = 0;
  };

  // Moves what can be moved at once. True: something was.
  bool progress();
  bool push(int to, Peer& peer);
  bool pull(int from, Peer& peer);
  void begin_message(Peer& peer, int tag, std::uint64_t size_bytes);
  void take_early(int from, Peer& peer);
  bool concerns(int peer) const;

  Member& member_;
  std::vector<Peer> peers_;
  std::size_t early_bytes_ = 0;
};

}  // namespace manta::collective
