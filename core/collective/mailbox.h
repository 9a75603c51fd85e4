// Messages between two members: cut into fragments that pass through the channel of the pair.
//
//   MAIL-1  messages of a pair go through the channel one after the other, in the order they were started
//   MAIL-2  a member that waits takes in what arrives, even before it is asked for, so that two that send to each other
//           at once both go on; beyond kEarlyBytes of it, senders wait
//
// Threading and ownership: as Member; transfers are the caller's, and must stay until they are complete or the group
// failed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include <manta/error.h>

#include "core/collective/member.h"

namespace manta::collective {

struct Transfer {
  std::span<const std::byte> out;  // if it sends
  std::span<std::byte> in;         // else
  int peer = 0;
  int tag = 0;
  bool sends = false;
  bool complete = false;
  std::optional<Error> error;  // once complete: a message of another size came
  std::size_t done_bytes = 0;
};

class Mailbox {
 public:
  explicit Mailbox(Member& member);

  // Throws Error(invalid_argument) for a peer that is none.
  void start(Transfer& transfer);
  // Moves what can be moved at once. True: something was.
  bool progress();
  // Blocks until the transfer is complete; throws its error.
  void finish(Transfer& transfer);
  // Blocks until something was moved, or until woken(): the thread that makes it true then rings this member's bell.
  template <class Woken>
  void await_event(Woken&& woken) {
    member_.wait([&] { return progress() || woken(); }, [&](int peer) { return concerns(peer); });
  }
  Member& member() { return member_; }

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
