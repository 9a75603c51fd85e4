#include "core/owner/replication.h"

#include <utility>

namespace manta::owner {

namespace {

using Replicated = EntryExtra::Replication;
constexpr std::size_t kWithdrawnTogether = 64;

}  // namespace

void Replication::shared(Entry& first) {
  std::vector<Entry*> todo{&first};
  while (!todo.empty()) {
    Entry& entry = *todo.back();
    todo.pop_back();
    if (entry.kind == Kind::actor || (entry.extra && entry.extra->replication == Replicated::done)) continue;
    EntryExtra& extra = entry.more();
    const bool sealed = entry.phase == Phase::resolved && !entry.value.spilled();
    extra.replication = sealed ? Replicated::done : Replicated::due;
    if (!sealed) continue;
    Replica replica{entry.id, entry.value.clone(), {}};
    for (Entry* inside : extra.contained) {
      replica.contained.push_back(context_.export_ref(*inside));
      inside->owned ? todo.push_back(inside) : context_.add_borrower(*inside, standby_of(self_));
    }
    replicas_.push_back(std::move(replica));
  }
  send();
}

void Replication::revoke(Entry& entry) {
  if (!entry.owned || entry.extra->replication != Replicated::done) return;
  entry.extra->replication = Replicated::due;
  withdrawals_.push_back(entry.id);
  // Withdrawals are batched, because no other process holds the object. Not if its block lies in another process'
  // arena, which may reuse the block meanwhile, nor if the value contains references, which the standby owner would
  // keep alive.
  const bool elsewhere = entry.value.in_arena() && entry.value.arena() != self_;
  if (elsewhere || !entry.extra->contained.empty() || withdrawals_.size() >= kWithdrawnTogether) flush_withdrawals();
}

void Replication::flush_withdrawals() {
  if (!withdrawals_.empty()) effects_.withdraw(std::exchange(withdrawals_, {}));
}

void Replication::send() {
  if (batching_ > 0 || replicas_.empty()) return;
  flush_withdrawals();
  effects_.replicate(std::exchange(replicas_, {}));
}

}  // namespace manta::owner
