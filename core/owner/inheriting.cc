// What outlives its owner: the owner's will, the borrowers' claims, and the heir.
#include <utility>

#include "core/owner/owner.h"

namespace manta::owner {

using Will = EntryExtra::Will;

namespace {

constexpr std::size_t kWithdrawnTogether = 64;

}  // namespace

// --- the owner

// Others may hold it from now on: the heir is to know it, and what is inside, as far as it is there (OWN-12).
void Owner::leave(Entry& first) {
  if (!config_.leaves_estate) return;
  std::vector<Entry*> todo{&first};
  while (!todo.empty()) {
    Entry& entry = *todo.back();
    todo.pop_back();
    if (entry.kind == Kind::actor || (entry.extra && entry.extra->will == Will::done)) continue;
    EntryExtra& extra = entry.more();
    const bool sealed = entry.phase == Phase::resolved && entry.value.kind() != Value::Kind::spilled;
    extra.will = sealed ? Will::done : Will::due;
    if (!sealed) continue;
    Bequest bequest{entry.id, entry.value.clone(), {}};
    for (Entry* inside : extra.contained) {
      bequest.contained.push_back(export_ref(*inside));
      inside->owned ? todo.push_back(inside) : lend(*inside, heir_of(self_));
    }
    bequests_.push_back(std::move(bequest));
  }
  tell_heir();
}

// The value is no longer what the heir was told.
void Owner::revoke(Entry& entry) {
  if (!entry.owned || entry.extra->will != Will::done || is_heir(self_)) return;
  entry.extra->will = Will::due;
  withdrawals_.push_back(entry.id);
  // Withdrawals are batched, because no other process holds the object. Not if its block lies in another process'
  // arena, which may reuse the block meanwhile, nor if the value contains references, which the heir would keep alive.
  const bool elsewhere = entry.value.kind() == Value::Kind::stored && entry.value.stored().arena != self_;
  if (elsewhere || !entry.extra->contained.empty() || withdrawals_.size() >= kWithdrawnTogether) flush_withdrawals();
}

void Owner::flush_withdrawals() {
  if (!withdrawals_.empty()) effects_.withdraw(std::exchange(withdrawals_, {}));
}

void Owner::tell_heir() {
  if (batching_ > 0 || bequests_.empty()) return;
  flush_withdrawals();
  effects_.bequeath(std::exchange(bequests_, {}));
}

// --- borrowers

void Owner::inherit(ClientId owner) {
  if (owner == self_ || !inherited_.insert(owner).second) return;
  std::vector<Entry*> ours, actors;
  table_.for_each([&](Entry& entry) {
    if (entry.owned || entry.owner != owner) return;
    if (entry.refs.load(std::memory_order_acquire) == 0) return;  // its goodbye is to come
    (entry.kind == Kind::actor ? actors : ours).push_back(&entry);
  });
  for (Entry* entry : ours) claim_from_heir(*entry);
  for (Entry* entry : actors) hold(*entry);
  const auto status = dead_.find(owner);
  for (Entry* entry : actors) {  // which have no heir
    if (entry->phase != Phase::borrowed) continue;
    fail(*entry, lost_with_owner(*entry, status == dead_.end() ? "has ended" : status->second));
  }
  drop_holds(actors);
}

// OWN-13
void Owner::claim_from_heir(Entry& entry) {
  if (entry.indexed) table_.forget(entry);
  entry.owner = heir_of(entry.owner);
  table_.index(entry);
  entry.more().lent_to_us = 1;
  if (dead_nodes_.contains(node_of(entry.owner))) return;
  effects_.send(entry.owner, Lent{entry.id, self_});
  if (entry.phase == Phase::borrowed && entry.wanted) effects_.send(entry.owner, Fetch{entry.id});
}

// --- the heir

// An object of the estate, with a hold for the caller.
Entry& Owner::of_estate(const ObjectId& object) {
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

void Owner::bequeathed(ClientId owner, Bequest bequest) {
  std::vector<Entry*> inside;
  for (const detail::WireRef& ref : bequest.contained) {
    inside.push_back(ref.owner == owner ? &of_estate(ref.object) : import(ref, true));
  }
  Entry& entry = of_estate(bequest.object);
  EntryExtra& extra = entry.more();
  if (entry.phase == Phase::lost) {
    std::swap(extra.contained, inside);
    resolve(entry, std::move(bequest.value));
  }
  if (std::exchange(extra.will, Will::done) == Will::done) unhold(entry);  // the estate has one already
  drop_holds(inside);
}

void Owner::withdrawn(const ObjectId& object) {
  Entry* entry = table_.find(object);
  if (entry == nullptr || !entry->extra || entry->extra->will != Will::done) return;
  entry->extra->will = Will::none;
  count_stored(entry->value, -1);
  entry->value = Value();  // the block is the owner's
  entry->resolved.store(false, std::memory_order_release);
  entry->phase = Phase::lost;
  drop_holds(entry->extra->contained);
  unhold(*entry);
}

void Owner::open_estate(ClientId owner, const std::string& status) {
  dead_.emplace(owner, status);
  std::vector<Entry*> lost;
  table_.for_each([&](Entry& entry) {
    if (entry.phase == Phase::lost) lost.push_back(&entry);
  });
  for (Entry* entry : lost) resolve(*entry, Value::of(lost_with_owner(*entry, status)));
}

void Owner::settle_estate() {
  std::vector<Entry*> estate;
  table_.for_each([&](Entry& entry) {
    if (entry.owned && entry.extra && entry.extra->will == Will::done) estate.push_back(&entry);
  });
  for (Entry* entry : estate) entry->extra->will = Will::none;
  drop_holds(estate);
}

}  // namespace manta::owner
