#include "core/testing/sim_network.h"

#include <algorithm>
#include <map>
#include <utility>

namespace manta::sim {

SimNetwork::SimNetwork(Schedule& schedule, Random& random, Time longest_delay, Deliver deliver)
    : schedule_(schedule), random_(random), longest_delay_(longest_delay), deliver_(std::move(deliver)) {}

Time SimNetwork::delay(Address from, Address to) {
  // Inside a machine an order of magnitude faster; a few messages are slow.
  auto longest = static_cast<std::uint64_t>(longest_delay_.count());
  if (node_of(from) == node_of(to)) longest /= 8;
  if (random_.below(32) == 0) longest *= 8;
  Time delay{static_cast<Time::rep>(1000 + random_.below(longest))};
  if (node_of(from) == node_of(to)) return delay;
  for (const auto& [node, until] : stalled_) {
    if (node_of(from) == node || node_of(to) == node) delay = std::max(delay, until - schedule_.now());
  }
  return delay;
}

void SimNetwork::send(Address from, Address to, Message message) {
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(envelopes_.size());
    envelopes_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  envelopes_[slot] = {from, to, std::move(message), true, false};
  ++under_way_;
  Pair& pair = pairs_[{from.value, to.value}];
  pair.last = std::max(schedule_.now() + delay(from, to), pair.last + Time(1));
  schedule_.at(pair.last, [this, slot] { arrive(slot); });
}

void SimNetwork::arrive(std::uint32_t slot) {
  Envelope envelope = std::exchange(envelopes_[slot], {});
  free_.push_back(slot);
  --under_way_;
  if (!envelope.lost) deliver_(envelope.from, envelope.to, std::move(envelope.message));
}

void SimNetwork::stall(NodeId node, Time until) { stalled_.emplace_back(node, until); }

void SimNetwork::machine_died(NodeId node, const std::function<void(Address to, const Message& message)>& lost) {
  // Slots are not in order of sending; the fate of a pair is all or nothing, which is an end of random length too.
  std::map<std::pair<Address, Address>, bool> fate;
  for (Envelope& envelope : envelopes_) {
    if (!envelope.used || envelope.lost) continue;
    if (node_of(envelope.from) != node || node_of(envelope.to) == node) continue;
    const auto [it, fresh] = fate.try_emplace({envelope.from, envelope.to}, false);
    if (fresh) it->second = random_.chance(50);
    if (!it->second) continue;
    envelope.lost = true;
    lost(envelope.to, envelope.message);
  }
}

}  // namespace manta::sim
