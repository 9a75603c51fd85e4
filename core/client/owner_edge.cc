// What a process' owner has done outside: messages to the node and other processes, memory, events.
#include <utility>

#include "core/base/overloaded.h"
#include "core/client/wiring.h"
#include "core/net/wire_resources.h"

namespace manta::client {

namespace {

constexpr std::size_t kReplicasTogetherBytes = 128 * 1024;

}  // namespace

// --- leases and workers

void Client::Edge::set_demand(owner::DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) {
  assert_owner_locked();
  c.connection_->send(net::SetDemand{index, net::wire_of(request), wanted, c.state_.owner->where_of(index)});
}

void Client::Edge::return_lease(LeaseId lease) {
  assert_owner_locked();
  c.links_.lease_returned(lease);
  c.connection_->send(net::ReturnLease{lease});
}

void Client::Edge::kill_worker(LeaseId lease) { c.connection_->send(net::KillWorker{lease}); }

owner::WorkerLink* Client::Edge::link_to(ClientId worker) {
  assert_owner_locked();
  return c.links_.to(worker);
}

// By way of the node also where it is for this very process: it is acted on without the mutex.
void Client::Edge::stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) {
  c.connection_->send_to_peer(worker, net::StopTask{task, how});
}

// --- other processes

void Client::Edge::send(ClientId to, owner::PeerMessage message) {
  c.connection_->send_to_peer(to, std::visit([](auto& m) { return net::PeerPacket(std::move(m)); }, message));
}

void Client::Edge::drop_name(const std::string& name, const ObjectId& actor) {
  c.connection_->send(net::DropName{name, actor});
}

// In messages that are not too long.
void Client::Edge::replicate(std::vector<owner::Replica> replicas) {
  net::Replicate message;
  std::size_t bytes = 0;
  for (owner::Replica& replica : replicas) {
    const std::size_t more = 128 + replica.value.bytes().size() + replica.contained.size() * sizeof(detail::WireRef);
    if (bytes + more > kReplicasTogetherBytes && bytes > 0) {
      c.connection_->send(std::exchange(message, {}));
      bytes = 0;
    }
    bytes += more;
    message.replicas.push_back(std::move(replica));
  }
  c.connection_->send(std::move(message));
}

void Client::Edge::withdraw(std::vector<ObjectId> objects) { c.connection_->send(net::Withdraw{std::move(objects)}); }

// --- memory

void Client::Edge::free(const owner::Location& location) {
  assert_owner_locked();
  const auto in_arena = [&](const owner::StoredLocation& block) MANTA_REQUIRES(owner_mutex) {
    if (block.arena == c.self()) return c.store_.free_block(block.offset);
    c.connection_->send_to_peer(block.arena, net::FreeBlock{block.offset});
  };
  const auto in_file = [&](const owner::SpilledExtent& extent)
                           MANTA_REQUIRES(owner_mutex) { c.store_.free_spilled(extent); };
  std::visit(Overloaded{in_arena, in_file}, location);
}

void Client::Edge::arena_unused(ClientId arena) {
  c.values_.arena_unused(arena);
  c.connection_->send(net::ArenaUnused{arena});
}

void Client::Edge::unused(const owner::StoredLocation& location) { c.values_.unused(location); }

bool Client::Edge::restore(owner::Entry& entry) {
  assert_owner_locked();
  return c.store_.restore(entry);
}

std::string Client::Edge::not_spilled() const {
  assert_owner_locked();
  return c.store_.not_spilled();
}

// --- events, and threads that wait

void Client::Edge::resolved(owner::Entry& entry) {
  assert_owner_locked();
  c.watchers_.resolved(entry);
}

void Client::Edge::unread_failure(const std::string& what, const Error& error) {
  assert_owner_locked();
  if (!c.state_.end) c.state_.events.publish(observe::FailedUnread{what, error});
}

void Client::Edge::tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) {
  c.state_.events.publish(observe::TriedAgain{what, attempt, why});
}

void Client::Edge::restarts(const owner::Restart& restart) {
  const auto delay = std::chrono::duration_cast<std::chrono::milliseconds>(restart.delay);
  c.state_.events.publish(observe::ActorRestarts{restart.actor, restart.why, restart.in_constructor, restart.asked_for,
                                                 restart.number, restart.max_restarts, delay});
}

}  // namespace manta::client
