// What a process' client does for each message of its node and of other processes.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/overloaded.h"
#include "core/client/client.h"
#include "core/client/output_printer.h"

namespace manta::client {

void Client::read_messages() {
  for (;;) {
    auto packet = node_.receive();
    if (!packet) break;
    auto message = net::decode_node_message(packet->bytes);
    if (!message) break;
    handle(std::move(*message), packet->descriptors);
  }
  node_lost();
}

void Client::handle(net::NodeMessage message, std::vector<Fd>& descriptors) {
  std::visit(Overloaded{
                 [&](const net::Welcome&) {},
                 [&](const net::CannotStart&) {},
                 [&](const net::Granted& m) { on_granted(m, descriptors); },
                 [&](const net::LeaseEnded& m) {
                   if (Timeline* timeline = Timeline::current())
                     timeline->happened(about_end("a worker ", first_line(m.status)));
                   const MutexLock guard(mutex_);
                   drain();
                   if (node_of(m.lease) != node_of(self())) return remote_lease_ended(m.lease, m.status);
                   owner_->lease_ended(m.lease, m.status);
                 },
                 [&](const net::Infeasible& m) {
                   const MutexLock guard(mutex_);
                   owner_->infeasible(m.shape, m.why);
                 },
                 [&](const net::AskBack& m) {
                   const MutexLock guard(mutex_);
                   drain();
                   owner_->leases().ask_back(m.shape, m.count, m.node);
                 },
                 [&](const net::OpenRing& m) {
                   if (descriptors.size() != 2 || hooks_ == nullptr) return;
                   arenas_.arrived(m.submitter, std::move(descriptors[1]));
                   hooks_->open_ring(m, std::move(descriptors[0]));
                 },
                 [&](const net::CloseRing& m) {
                   if (hooks_ != nullptr) hooks_->close_ring(m.submitter);
                 },
                 [&](const net::ArenaOf& m) {
                   arenas_.arrived(m.client, descriptors.empty() ? Fd() : std::move(descriptors[0]));
                 },
                 [&](const net::FromPeer& m) { on_peer_packet(m.client, m.message); },
                 [&](const net::RingTo& m) { on_ring(m, descriptors); },
                 [&](const net::Named& m) {
                   const MutexLock guard(mutex_);
                   const auto it = names_asked_.find(m.request);
                   if (it != names_asked_.end()) it->second = m;
                   names_answered_.notify_all();
                 },
                 [&](const net::GroupMade& m) {
                   const MutexLock guard(mutex_);
                   const auto it = groups_asked_.find(m.request);
                   if (it != groups_asked_.end()) it->second = m;
                   names_answered_.notify_all();
                 },
                 [&](const net::ClientsDied& m) {
                   for (const net::ClientDied& died : m.clients) on_client_died(died);
                 },
                 [&](const net::Waits& m) { stalls_.answered(m); },
                 [&](const net::Settle& m) {
                   const MutexLock guard(mutex_);
                   drain();  // CLIENT-3
                   owner_->borrowing().fail_over(owner::primary_of(m.standby));
                   send(net::Settled{m.standby, m.round});
                 },
                 [&](const net::MakeSpace& m) { make_space(m); },
                 [&](const net::SpaceMade& m) { on_space_made(m); },
                 [&](const net::NodeJoined& m) {
                   const MutexLock guard(mutex_);
                   nodes_.push_back(m.node);
                 },
                 [&](const net::NodeDied& m) {
                   if (printer_) printer_->node_lost(m.node);
                   const MutexLock guard(mutex_);
                   drain();
                   std::erase_if(nodes_, [&](const auto& node) { return node.node == m.node; });
                   owner_->node_died(m.node, "was on " + m.status);
                   adoptions_.died([&](ClientId owner) { return node_of(owner) == m.node; });
                   names_answered_.notify_all();
                 },
                 [&](net::OutputText& m) {
                   if (printer_) printer_->add(std::move(m));
                 },
                 [&](const net::OutputDrained& m) {
                   if (printer_) printer_->drained(m.node);
                 },
                 [&](const net::BlockPulled& m) {
                   remote_blocks_.arrived(m.id, m.why, descriptors.empty() ? Fd() : std::move(descriptors[0]));
                 },
             },
             message);
  slot().replies.wake();  // sleepers look again: there may be new links, or results that this thread drained
  if (!background_parked_.load(std::memory_order_relaxed)) return;
  MutexLock guard(mutex_);
  const bool ticks = owner_->busy();  // an actor waits for its next start
  guard.unlock();
  if (ticks) wake_background();
}

void Client::on_client_died(const net::ClientDied& died) {
  if (hooks_ != nullptr) hooks_->client_died(died.client);
  const MutexLock guard(mutex_);
  drain();
  if (is_remote(died.client)) remote_worker_died(died.client, died.status);
  owner_->client_died(died.client, died.status);
  message_links_.erase(died.client);
  adoptions_.died([&](ClientId owner) { return owner == died.client; });
  names_answered_.notify_all();
  const auto it = ring_links_.find(died.client);
  if (it == ring_links_.end()) return;
  std::erase(active_, it->second.get());
  std::erase(groups_[net::group_of(died.client)], it->second.get());
  ring_links_.erase(it);
}

RingLink* Client::open_ring(ClientId worker, std::uint32_t worker_slot, std::vector<Fd>& descriptors) {
  if (descriptors.size() != 2 || worker_slot >= net::NodePage::kSlots) return nullptr;
  arenas_.arrived(worker, std::move(descriptors[1]));
  auto ring = net::RingMemory::attach(descriptors[0].get());
  if (!ring) return nullptr;
  auto link = std::make_unique<RingLink>(*this, worker, **ring, page_->slots[worker_slot]);
  (void)link->stop_looking();  // CLIENT-2: what is pushed first may be pushed while the threads that wait sleep
  groups_[net::group_of(worker)].push_back(link.get());
  return (ring_links_[worker] = std::move(link)).get();
}

void Client::on_granted(const net::Granted& granted, std::vector<Fd>& descriptors) {
  if (is_remote(granted.worker)) return on_granted_elsewhere(granted);
  MutexLock guard(mutex_);
  if (granted.new_ring) (void)open_ring(granted.worker, granted.worker_slot, descriptors);
  const auto it = ring_links_.find(granted.worker);
  if (it == ring_links_.end()) {
    owner_->infeasible(granted.shape,
                       "this process cannot map the memory that it shares with a worker; raise ulimit -v "
                       "or ulimit -n");
    return send(net::ReturnLease{granted.lease});
  }
  it->second->lease = granted.lease;
  if (granted.shape >= owner::kFirstActor) {
    owner_->actors().granted(granted.shape, granted.lease, granted.worker, *it->second);
    guard.unlock();
    return wake_background();
  }
  const auto shape = static_cast<owner::ShapeIndex>(granted.shape);
  it->second->set_task_cpus(static_cast<std::uint32_t>(owner_->leases().request_of(shape).cpus.units()));
  owner_->leases().granted(granted.lease, granted.worker, shape, *it->second);
}

void Client::on_peer_packet(ClientId from, const std::vector<std::byte>& bytes) {
  auto packet = net::decode_peer_packet(bytes);
  if (!packet) return;
  if (auto* task = std::get_if<net::RunTask>(&*packet)) {
    if (hooks_ != nullptr) hooks_->run_task(from, std::move(*task));
    return;
  }
  if (std::holds_alternative<net::TakeBackTasks>(*packet)) {
    if (hooks_ != nullptr) hooks_->take_back_tasks(from);
    return;
  }
  if (const auto* adopted = std::get_if<owner::Adopted>(&*packet)) {
    const MutexLock guard(mutex_);
    adoptions_.answered(adopted->request, adopted->alive);
    return names_answered_.notify_all();
  }
  if (const auto* stop = std::get_if<net::StopTask>(&*packet)) return on_stop_task(from, *stop);
  if (const auto* credit = std::get_if<owner::StreamCredit>(&*packet)) {
    if (hooks_ != nullptr) hooks_->stream_credit(from, *credit);
    return;
  }
  if (const auto* stop = std::get_if<owner::StreamStop>(&*packet)) {
    if (hooks_ != nullptr) hooks_->stream_stop(from, *stop);
    return;
  }
  MutexLock guard(mutex_);
  drain();  // CLIENT-3
  std::visit(Overloaded{
                 [&](const net::FreeBlock& m) MANTA_REQUIRES(mutex_) {
                   if (arena_) arena_->free(m.offset);
                 },
                 [&](owner::Fetch& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::Fetched& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::AddBorrower& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::RemoveBorrower& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::FindActor& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::ActorAt& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::ActorGone& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::KillActor& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::OwnerDied& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::Passed& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::NotReplicated& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::CancelTask& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::AdoptActor& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](owner::StreamItems& m) MANTA_REQUIRES(mutex_) { owner_->receive(from, std::move(m)); },
                 [&](const net::TaskDone& m) MANTA_REQUIRES(mutex_) { on_task_done(from, m); },
                 [&](const net::TasksReturned& m) MANTA_REQUIRES(mutex_) { on_tasks_returned(from, m); },
                 [&](const net::TaskBegan& m) MANTA_REQUIRES(mutex_) {
                   const auto it = message_links_.find(from);
                   if (it != message_links_.end()) it->second->began(m.position);
                 },
                 [&](const net::WorkerBlocked& m) MANTA_REQUIRES(mutex_) { on_worker_blocked(from, m.blocked); },
                 [&](const auto&) {},  // the executor's
             },
             *packet);
  const bool ticks = owner_->busy();  // a spilled value may have been asked for
  guard.unlock();
  if (ticks && background_parked_.load(std::memory_order_relaxed)) wake_background();
}

void Client::node_lost() {
  outbox_.close();
  arenas_.close();
  no_more_space();
  remote_blocks_.close();
  stalls_.close();
  if (printer_) {
    for (const net::NodeOfCluster& node : nodes()) printer_->node_lost(node.node);
  }
  {
    const MutexLock guard(mutex_);
    node_gone_ = true;
    drain();
    end_ = Error(ErrorCode::unavailable,
                 current() == this ? "the node process has ended, and with it all workers" : "the runtime has ended");
    owner_->fail_all(*end_);
    active_.clear();
    for (auto& group : groups_) group.clear();
    ring_links_.clear();
    names_answered_.notify_all();
    message_links_.clear();
  }
  slot().replies.wake();
  if (hooks_ != nullptr) ::_exit(0);  // a worker without its node has nothing to live for
}

}  // namespace manta::client
