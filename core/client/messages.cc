// What a process does for each message of its node and of other processes.
#include <algorithm>
#include <utility>

#include "core/base/overloaded.h"
#include "core/client/wiring.h"

namespace manta::client {

namespace {

Fd first_of(std::vector<Fd>& descriptors) { return descriptors.empty() ? Fd() : std::move(descriptors[0]); }

}  // namespace

void Client::Receiver::receive(net::NodeMessage message, std::vector<Fd>& descriptors) {
  std::visit(Overloaded{
                 [&](const net::Granted& m) {
                   {
                     const OwnerLock guard(c.state_);
                     c.links_.granted(m, descriptors);
                   }
                   if (m.shape >= owner::kFirstActor) c.background_.wake();
                 },
                 [&](const net::LeaseEnded& m) {
                   c.state_.events.publish(observe::WorkerEnded{m.status});
                   const OwnerLock guard(c.state_);
                   c.links_.drain();
                   c.links_.lease_ended(m.lease, m.status);
                 },
                 [&](const net::Infeasible& m) {
                   const OwnerLock guard(c.state_);
                   c.state_.owner->infeasible(m.shape, m.why);
                 },
                 [&](const net::AskBack& m) {
                   const OwnerLock guard(c.state_);
                   c.links_.drain();
                   c.state_.owner->leases().ask_back(m.shape, m.count, m.node);
                 },
                 [&](const net::RingTo& m) {
                   const OwnerLock guard(c.state_);
                   c.links_.ring_arrived(m, descriptors);
                 },
                 [&](const net::ArenaOf& m) { c.values_.arena_arrived(m.client, first_of(descriptors)); },
                 [&](const net::BlockPulled& m) { c.values_.block_arrived(m, first_of(descriptors)); },
                 [&](const net::FromPeer& m) { from_peer(m.client, m.message); },
                 [&](const net::Named& m) { c.actors_.answered(m); },
                 [&](const net::GroupMade& m) { c.groups_.answered(m); },
                 [&](const net::Waits& m) { c.stalls_.answered(m); },
                 [&](const net::SpaceMade& m) { c.store_.requests().answered(m); },
                 [&](const net::MakeSpace& m) {
                   c.connection_->send(net::MadeSpace{m.id, c.store_.make_space(m.bytes)});
                 },
                 [&](const net::Settle& m) {
                   const OwnerLock guard(c.state_);
                   c.links_.drain();  // CLIENT-3
                   c.state_.owner->borrowing().fail_over(owner::primary_of(m.standby));
                   c.connection_->send(net::Settled{m.standby, m.round});
                 },
                 [&](const net::ClientsDied& m) {
                   for (const net::ClientDied& died : m.clients) client_died(died);
                 },
                 [&](const net::NodeJoined& m) {
                   const OwnerLock guard(c.state_);
                   c.state_.nodes.push_back(m.node);
                 },
                 [&](const net::NodeDied& m) { node_died(m); },
                 [&](const auto&) { c.role_.receive(message, descriptors); },
             },
             message);
  c.slot().replies.wake();  // sleepers look again: there may be new links, or results that this thread drained
  if (!c.background_.parked()) return;
  OwnerLock guard(c.state_);
  const bool ticks = c.state_.owner->busy();  // an actor waits for its next start
  guard.unlock();
  if (ticks) c.background_.wake();
}

void Client::Receiver::client_died(const net::ClientDied& died) {
  c.role_.client_died(died.client);
  const OwnerLock guard(c.state_);
  c.links_.drain();
  c.links_.worker_died(died.client, died.status);
  c.state_.owner->client_died(died.client, died.status);
  c.actors_.client_died(died.client);
  c.links_.forget(died.client);
}

void Client::Receiver::node_died(const net::NodeDied& died) {
  c.role_.node_died(died.node);
  const OwnerLock guard(c.state_);
  c.links_.drain();
  std::erase_if(c.state_.nodes, [&](const auto& node) { return node.node == died.node; });
  c.state_.owner->node_died(died.node, "was on " + died.status);
  c.actors_.node_died(died.node);
}

void Client::Receiver::from_peer(ClientId from, const std::vector<std::byte>& bytes) {
  auto packet = net::decode_peer_packet(bytes);
  if (!packet || c.role_.receive(from, *packet)) return;
  if (const auto* adopted = std::get_if<owner::Adopted>(&*packet)) return c.actors_.answered(*adopted);
  OwnerLock guard(c.state_);
  c.links_.drain();  // CLIENT-3
  from_peer_locked(from, *packet);
  const bool ticks = c.state_.owner->busy();  // a spilled value may have been asked for
  guard.unlock();
  if (ticks) c.background_.wake();
}

void Client::Receiver::from_peer_locked(ClientId from, net::PeerPacket& packet) {
  std::visit(Overloaded{
                 [&](net::FreeBlock& m) MANTA_REQUIRES(owner_mutex) { c.store_.free_block(m.offset); },
                 [&](net::TaskDone& m) MANTA_REQUIRES(owner_mutex) { c.links_.done(from, m); },
                 [&](net::TasksReturned& m) MANTA_REQUIRES(owner_mutex) { c.links_.returned(from, m); },
                 [&](net::TaskBegan& m) MANTA_REQUIRES(owner_mutex) { c.links_.began(from, m); },
                 [&](net::WorkerBlocked& m) MANTA_REQUIRES(owner_mutex) { c.links_.blocked(from, m.blocked); },
                 [&](auto& m) MANTA_REQUIRES(owner_mutex) {
                   using Message = std::decay_t<decltype(m)>;
                   if constexpr (std::is_constructible_v<owner::PeerMessage, Message&&>)
                     c.state_.owner->receive(from, std::move(m));
                 },
             },
             packet);
}

void Client::Receiver::connection_ended() {
  c.connection_->close();
  c.values_.close();
  c.store_.requests().close();
  c.stalls_.close();
  {
    const OwnerLock guard(c.state_);
    c.state_.node_gone = true;
    c.links_.drain();
    c.state_.end = Error(ErrorCode::unavailable, current() == &c ? "the node process has ended, and with it all workers"
                                                                 : "the runtime has ended");
    c.state_.owner->fail_all(*c.state_.end);
    c.links_.clear();
  }
  c.actors_.connection_ended();
  c.groups_.connection_ended();
  c.slot().replies.wake();
  c.role_.connection_ended();
}

}  // namespace manta::client
