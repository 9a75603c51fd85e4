#include "core/owner/standby_owner.h"

#include <utility>
#include <vector>

#include "core/base/overloaded.h"
#include "core/owner/labels.h"

namespace manta::owner {

namespace {

using Replicated = EntryExtra::Replication;

}  // namespace

StandbyOwner::StandbyOwner(ClientId primary, StandbyOwnerEffects& effects)
    : primary_(primary),
      effects_(effects),
      objects_(standby_of(primary), deaths_, *this, *this),
      borrowing_(objects_, deaths_, 0, *this, *this) {}

void StandbyOwner::free(const Location& location) {
  if (open_) effects_.free_block(std::get<StoredLocation>(location));  // STANDBY-1; replicas are never spilled
}

void StandbyOwner::resolved(Entry& entry) {
  if (entry.extra) borrowing_.answer_subscribers(entry);
}

// With a hold for the caller.
Entry& StandbyOwner::find_or_make(const ObjectId& object) {
  if (Entry* known = objects_.table().find(object)) {
    objects_.hold(*known);
    return *known;
  }
  Entry& entry = objects_.make(object, 1);
  entry.phase = Phase::lost;
  objects_.table().index(entry);
  return entry;
}

void StandbyOwner::store(Replica replica) {
  if (open_) return;
  std::vector<Entry*> inside;
  for (const detail::WireRef& ref : replica.contained) {
    inside.push_back(ref.owner == primary_ ? &find_or_make(ref.object) : borrowing_.import(ref, true));
  }
  Entry& entry = find_or_make(replica.object);
  EntryExtra& extra = entry.more();
  if (entry.phase == Phase::lost) {
    std::swap(extra.contained, inside);
    objects_.resolve(entry, std::move(replica.value));
  }
  const bool again = std::exchange(extra.replication, Replicated::done) == Replicated::done;
  if (again) objects_.unhold(entry);  // its replica has a hold already
  objects_.drop_holds(inside);
}

void StandbyOwner::withdraw(const ObjectId& object) {
  Entry* entry = objects_.table().find(object);
  if (open_ || entry == nullptr || !entry->extra || entry->extra->replication != Replicated::done) return;
  entry->extra->replication = Replicated::none;
  objects_.count_stored(entry->value, -1);
  entry->value = Value();  // the block is the owner's
  entry->resolved.store(false, std::memory_order_release);
  entry->phase = Phase::lost;
  objects_.drop_holds(entry->extra->contained);
  objects_.unhold(*entry);
}

void StandbyOwner::begin_failover(const std::string& status) {
  open_ = true;
  deaths_.add(primary_, status);
  std::vector<Entry*> lost;
  objects_.table().for_each([&](Entry& entry) {
    if (entry.phase == Phase::lost) lost.push_back(&entry);
  });
  for (Entry* entry : lost) objects_.resolve(*entry, Value::of(lost_with_owner(*entry, status)));
}

void StandbyOwner::settle_failover() {
  std::vector<Entry*> replicated;
  objects_.table().for_each([&](Entry& entry) {
    if (entry.owned && entry.extra && entry.extra->replication == Replicated::done) replicated.push_back(&entry);
  });
  for (Entry* entry : replicated) entry->extra->replication = Replicated::none;
  objects_.drop_holds(replicated);
}

void StandbyOwner::receive(ClientId from, const PeerMessage& message) {
  const auto add_borrower = [&](const ObjectId& object, ClientId client, std::int64_t count) {
    if (Entry* entry = objects_.table().find(object)) borrowing_.add_borrower(*entry, client, count);
  };
  std::visit(Overloaded{
                 [&](const Fetch& m) {
                   if (!borrowing_.fetch(from, m.object)) send(from, NotReplicated{m.object});
                 },
                 [&](const Fetched& m) { borrowing_.fetched(from, m); },
                 [&](const AddBorrower& m) { add_borrower(m.object, m.client, 1); },
                 [&](const RemoveBorrower& m) { add_borrower(m.object, from, -m.count); },
                 [&](const FindActor& m) {  // actors end with their owner
                   if (!deaths_.contains(from)) send(from, NotReplicated{m.actor});
                 },
                 [&](const AdoptActor& m) {
                   if (!deaths_.contains(from)) send(from, Adopted{m.request, false});
                 },
                 [&](const OwnerDied& m) { fail_over(m.owner); },
                 [&](const Passed& m) { objects_.unhold(*borrowing_.import(m.ref, true)); },
                 [&](const NotReplicated& m) { borrowing_.not_replicated(from, m.object); },
                 [](const auto&) {},  // of tasks, actors and streams, which it does not have
             },
             message);
}

void StandbyOwner::client_died(ClientId client, const std::string& status) {
  borrowing_.drop_dead([&](ClientId other) { return other == client; }, status, true);
  deaths_.add(client, status);
  fail_over(client);
  objects_.client_died(client);
}

void StandbyOwner::node_died(NodeId node, const std::string& status) {
  borrowing_.drop_dead([&](ClientId client) { return node_of(client) == node; }, status, false);
  deaths_.add(node);
  objects_.lose_values(node, status);
}

}  // namespace manta::owner
