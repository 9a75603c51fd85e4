// What a client has to do with other nodes: leases and tasks there, and stored values that lie there.
#include <algorithm>
#include <thread>

#include "core/client/client.h"

namespace manta::client {

namespace {

constexpr std::uint64_t kBroughtAheadBytes = 64 << 20;

}  // namespace

std::vector<net::NodeOfCluster> Client::nodes() {
  const MutexLock guard(mutex_);
  return nodes_;
}

// --- values that will be read soon

void Client::ask_for(std::span<detail::EntryHead* const> entries) {
  {
    const MutexLock guard(mutex_);
    for (detail::EntryHead* head : entries) {
      auto& entry = static_cast<owner::Entry&>(*head);
      if (!entry.owned && !entry.resolved.load(std::memory_order_relaxed)) owner_->tasks().want(entry);
    }
  }
  outbox_.wait_for_space();
}

bool Client::lies_elsewhere(const owner::Entry& entry) {
  const MutexLock guard(mutex_);
  return location_elsewhere(entry) != nullptr;
}

// The lock is kept: as long as an entry says that its value lies there, the copy is needed (BLOCKS-3).
void Client::bring(std::span<detail::EntryHead* const> entries) {
  const MutexLock guard(mutex_);
  std::uint64_t bytes = 0;
  for (detail::EntryHead* head : entries) {
    const owner::StoredLocation* location = location_elsewhere(static_cast<owner::Entry&>(*head));
    if (location == nullptr) continue;
    if ((bytes += location->size_bytes) > kBroughtAheadBytes) return;
    remote_blocks_.ask(*location);
  }
}

const owner::StoredLocation* Client::location_elsewhere(const owner::Entry& entry) const {
  const bool stored =
      entry.resolved.load(std::memory_order_relaxed) && entry.value.kind() == owner::Value::Kind::stored;
  return stored && is_remote(entry.value.stored().arena) ? &entry.value.stored() : nullptr;
}

// --- stored values

void Client::stored_unused(const owner::StoredLocation& location) {
  if (is_remote(location.arena)) remote_blocks_.forget(location);
}

Result<const std::byte*> Client::stored_bytes(const owner::StoredLocation& location,
                                              std::shared_ptr<const void>& keepalive) {
  if (is_remote(location.arena)) {
    auto copy = remote_blocks_.get(location);
    remote_blocks_.forget(location);
    if (!copy) return tl::unexpected<Error>(copy.error());
    keepalive = *copy;
    return (*copy)->data;
  }
  auto view = arenas_.view(location.arena);
  if (!view) return tl::unexpected<Error>(view.error());
  keepalive = *view;
  return (*view)->at(location.offset, location.size_bytes);
}

detail::ValueView Client::view_elsewhere(const owner::StoredLocation& location, bool framed,
                                         std::shared_ptr<owner::Entry> hold) {
  auto copy = remote_blocks_.get(location);
  // An argument's entry does not know the value's place, so nothing would report that the copy is old (BLOCKS-3).
  const bool known = hold->resolved.load(std::memory_order_acquire) &&
                     hold->value.kind() == owner::Value::Kind::stored && hold->value.stored() == location;
  if (!known) remote_blocks_.forget(location);
  if (!copy) throw_error(copy.error().with_context("object " + hold->id.to_string()));
  struct Pin {
    std::shared_ptr<const BlockCopy> copy;
    std::shared_ptr<owner::Entry> hold;
  };
  const std::byte* data = (*copy)->data;
  return {{data, location.size_bytes}, framed, std::make_shared<Pin>(Pin{std::move(*copy), std::move(hold)})};
}

// A block could not be had. True: because its node is dead, of which this process has heard by now, and the entry no
// longer says that the value lies there.
bool Client::moved_on(const owner::Entry& entry, const owner::StoredLocation& from) {
  const auto deadline = Clock::now() + std::chrono::seconds(2);
  for (;;) {
    {
      const MutexLock guard(mutex_);
      if (node_gone_) return false;
      if (entry.value.kind() != owner::Value::Kind::stored || entry.value.stored() != from) return true;
      const bool alive =
          std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node.node == node_of(from.arena); });
      if (alive && Clock::now() >= deadline - std::chrono::milliseconds(1500)) return false;
    }
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// --- leases and tasks

MessageLink& Client::message_link(ClientId worker) {
  auto& link = message_links_[worker];
  if (!link) link = std::make_unique<MessageLink>(*this, worker);
  return *link;
}

void Client::on_granted_elsewhere(const net::Granted& granted) {
  MutexLock guard(mutex_);
  MessageLink* link = &message_link(granted.worker);
  link->lease = granted.lease;
  if (granted.shape >= owner::kFirstActor) {
    owner_->actors().granted(granted.shape, granted.lease, granted.worker, *link);
    guard.unlock();
    return wake_background();
  }
  const auto shape = static_cast<owner::ShapeIndex>(granted.shape);
  link->task_cpus = static_cast<std::uint32_t>(owner_->leases().request_of(shape).cpus.units());
  owner_->leases().granted(granted.lease, granted.worker, shape, *link);
}

void Client::on_task_done(ClientId worker, const net::TaskDone& done) {
  const auto it = message_links_.find(worker);
  if (it == message_links_.end()) return;
  owner::Outcome outcome;
  if (owner::Entry* entry = it->second->finished(done, outcome)) owner_->finished(*entry, std::move(outcome));
}

void Client::on_tasks_returned(ClientId worker, const net::TasksReturned& tasks) {
  const auto it = message_links_.find(worker);
  if (it == message_links_.end()) return;
  MessageLink& link = *it->second;
  link.answered();
  // The newest first, each to the front: the order is kept.
  for (auto position = tasks.positions.rbegin(); position != tasks.positions.rend(); ++position) {
    if (owner::Entry* entry = link.returned(*position)) owner_->leases().came_back(*entry);
  }
}

void Client::on_worker_blocked(ClientId worker, bool blocked) {
  const auto it = message_links_.find(worker);
  if (it != message_links_.end() && it->second->lease) owner_->leases().set_blocked(it->second->lease, blocked);
}

void Client::remote_lease_ended(LeaseId lease, const std::string& status) {
  for (const auto& [worker, link] : message_links_) {
    if (link->lease != lease) continue;
    link->lose();
    link->lease = {};
  }
  owner_->lease_ended(lease, status);
}

void Client::remote_worker_died(ClientId worker, const std::string& status) {
  const auto it = message_links_.find(worker);
  if (it == message_links_.end()) return;
  it->second->lose();
  if (it->second->lease) remote_lease_ended(it->second->lease, status);
}

}  // namespace manta::client
