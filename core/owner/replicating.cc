// What outlives its owner: the owner's will, the borrowers' claims, and the standby owner.
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

using Replication = EntryExtra::Replication;

namespace {

constexpr std::size_t kWithdrawnTogether = 64;

}  // namespace

// --- the owner

// Others may hold it from now on: the standby owner is to know it, and what is inside, as far as it is there (OWN-12).
void Owner::leave(Entry& first) {
  if (!config_.has_standby) return;
  std::vector<Entry*> todo{&first};
  while (!todo.empty()) {
    Entry& entry = *todo.back();
    todo.pop_back();
    if (entry.kind == Kind::actor || (entry.extra && entry.extra->replication == Replication::done)) continue;
    EntryExtra& extra = entry.more();
    const bool sealed = entry.phase == Phase::resolved && entry.value.kind() != Value::Kind::spilled;
    extra.replication = sealed ? Replication::done : Replication::due;
    if (!sealed) continue;
    Replica replica{entry.id, entry.value.clone(), {}};
    for (Entry* inside : extra.contained) {
      replica.contained.push_back(export_ref(*inside));
      inside->owned ? todo.push_back(inside) : lend(*inside, standby_of(self_));
    }
    replicas_.push_back(std::move(replica));
  }
  send_replicas();
}

// The value is no longer what the standby owner was told.
void Owner::revoke(Entry& entry) {
  if (!entry.owned || entry.extra->replication != Replication::done || is_standby(self_)) return;
  entry.extra->replication = Replication::due;
  withdrawals_.push_back(entry.id);
  // Withdrawals are batched, because no other process holds the object. Not if its block lies in another process'
  // arena, which may reuse the block meanwhile, nor if the value contains references, which the standby owner would keep alive.
  const bool elsewhere = entry.value.kind() == Value::Kind::stored && entry.value.stored().arena != self_;
  if (elsewhere || !entry.extra->contained.empty() || withdrawals_.size() >= kWithdrawnTogether) flush_withdrawals();
}

void Owner::flush_withdrawals() {
  if (!withdrawals_.empty()) effects_.withdraw(std::exchange(withdrawals_, {}));
}

void Owner::send_replicas() {
  if (batching_ > 0 || replicas_.empty()) return;
  flush_withdrawals();
  effects_.replicate(std::exchange(replicas_, {}));
}

// --- borrowers

void Owner::fail_over(ClientId owner) {
  if (owner == self_ || !failed_over_.insert(owner).second) return;
  std::vector<Entry*> ours, actors;
  table_.for_each([&](Entry& entry) {
    if (entry.owned || entry.owner != owner) return;
    if (entry.refs.load(std::memory_order_acquire) == 0) return;  // its release is to come
    (entry.kind == Kind::actor ? actors : ours).push_back(&entry);
  });
  for (Entry* entry : ours) register_with_standby(*entry);
  for (Entry* entry : actors) hold(*entry);
  const auto status = dead_.find(owner);
  for (Entry* entry : actors) {  // which have no standby owner
    if (entry->phase != Phase::borrowed) continue;
    fail(*entry, lost_with_owner(*entry, status == dead_.end() ? "has ended" : status->second));
  }
  drop_holds(actors);
}

// OWN-13
void Owner::register_with_standby(Entry& entry) {
  if (entry.indexed) table_.forget(entry);
  entry.owner = standby_of(entry.owner);
  table_.index(entry);
  entry.more().counted_borrows = 1;
  if (dead_nodes_.contains(node_of(entry.owner))) return;
  effects_.send(entry.owner, AddBorrower{entry.id, self_});
  if (entry.phase == Phase::borrowed && entry.wanted) effects_.send(entry.owner, Fetch{entry.id});
}

// --- the standby owner

// An object of the failover state, with a hold for the caller.
Entry& Owner::replica_of(const ObjectId& object) {
  if (Entry* known = table_.find(object)) {
    hold(*known);
    return *known;
  }
  Entry& entry = table_.allocate();
  entry.id = object;
  entry.owned = true;
  entry.phase = Phase::lost;
  entry.refs.store(1, std::memory_order_relaxed);
  table_.index(entry);
  return entry;
}

void Owner::store_replica(ClientId owner, Replica replica) {
  std::vector<Entry*> inside;
  for (const detail::WireRef& ref : replica.contained) {
    inside.push_back(ref.owner == owner ? &replica_of(ref.object) : import(ref, true));
  }
  Entry& entry = replica_of(replica.object);
  EntryExtra& extra = entry.more();
  if (entry.phase == Phase::lost) {
    std::swap(extra.contained, inside);
    resolve(entry, std::move(replica.value));
  }
  if (std::exchange(extra.replication, Replication::done) == Replication::done)
    unhold(entry);  // the failover state has one already
  drop_holds(inside);
}

void Owner::drop_replica(const ObjectId& object) {
  Entry* entry = table_.find(object);
  if (entry == nullptr || !entry->extra || entry->extra->replication != Replication::done) return;
  entry->extra->replication = Replication::none;
  count_stored(entry->value, -1);
  entry->value = Value();  // the block is the owner's
  entry->resolved.store(false, std::memory_order_release);
  entry->phase = Phase::lost;
  drop_holds(entry->extra->contained);
  unhold(*entry);
}

void Owner::begin_failover(ClientId owner, const std::string& status) {
  dead_.emplace(owner, status);
  std::vector<Entry*> lost;
  table_.for_each([&](Entry& entry) {
    if (entry.phase == Phase::lost) lost.push_back(&entry);
  });
  for (Entry* entry : lost) resolve(*entry, Value::of(lost_with_owner(*entry, status)));
}

void Owner::settle_failover() {
  std::vector<Entry*> replicated;
  table_.for_each([&](Entry& entry) {
    if (entry.owned && entry.extra && entry.extra->replication == Replication::done) replicated.push_back(&entry);
  });
  for (Entry* entry : replicated) entry->extra->replication = Replication::none;
  drop_holds(replicated);
}

}  // namespace manta::owner
