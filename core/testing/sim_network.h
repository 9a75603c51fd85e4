// Messages under way: in order between two processes, in any order otherwise, each with a delay of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "core/testing/sim_ids.h"
#include "core/testing/sim_messages.h"
#include "core/testing/sim_random.h"
#include "core/testing/sim_schedule.h"

namespace manta::sim {

// Messages are lost only when a machine dies. A dead process' last messages still arrive (its node drains its socket
// before it announces the death). Messages to a dead process are delivered too: Deliver decides what to do with them.
//
// Threading: none. Ownership: schedule and random outlive it.
class SimNetwork {
 public:
  using Deliver = std::function<void(Address from, Address to, Message message)>;

  SimNetwork(Schedule& schedule, Random& random, Time longest_delay, Deliver deliver);

  void send(Address from, Address to, Message message);
  // For a while nothing of the machine gets through to others; it comes late, not never.
  void stall(NodeId node, Time until);
  // The machine stops. Of what it had sent to other machines and is not there yet, each pair loses a random end;
  // `lost` sees what is lost.
  void machine_died(NodeId node, const std::function<void(Address to, const Message& message)>& lost);
  // Everything under way, in an order that depends on the seed alone.
  template <class F>
  void for_each(F f) const {
    for (const Envelope& envelope : envelopes_) {
      if (envelope.used && !envelope.lost) f(envelope.from, envelope.to, envelope.message);
    }
  }
  std::uint64_t under_way() const { return under_way_; }

 private:
  struct Envelope {
    Address from;
    Address to;
    Message message;
    bool used = false;
    bool lost = false;
  };
  struct Pair {
    Time last{0};
  };
  struct PairHash {
    std::size_t operator()(const std::pair<std::uint64_t, std::uint64_t>& p) const {
      return detail::mix64(p.first * 0x9e3779b97f4a7c15ULL ^ p.second);
    }
  };
  Time delay(Address from, Address to);
  void arrive(std::uint32_t slot);

  Schedule& schedule_;
  Random& random_;
  Time longest_delay_;
  Deliver deliver_;
  std::vector<Envelope> envelopes_;
  std::vector<std::uint32_t> free_;
  boost::unordered_flat_map<std::pair<std::uint64_t, std::uint64_t>, Pair, PairHash> pairs_;  // looked up, never walked
  std::vector<std::pair<NodeId, Time>> stalled_;
  std::uint64_t under_way_ = 0;
};

}  // namespace manta::sim
