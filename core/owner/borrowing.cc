// Objects that cross process borders: imports, exports, and the borrowers that an owner knows.
#include <algorithm>
#include <utility>

#include "core/base/end_of_process.h"
#include "core/base/overloaded.h"
#include "core/base/planted_bug.h"
#include "core/owner/owner.h"

namespace manta::owner {

Entry* Owner::import(const detail::WireRef& named, bool lent) {
  detail::WireRef ref = named;
  const bool of_the_dead = failed_over_.contains(ref.owner);
  if (of_the_dead) ref.owner = standby_of(ref.owner);
  if (is_standby(ref.owner) && ref.owner != self_) fail_over(primary_of(ref.owner));
  const bool ours = ref.owner == self_;
  Entry* known = table_.find(ref.object, ours ? ClientId{} : ref.owner);
  if (known != nullptr && !ours && known->refs.load(std::memory_order_acquire) == 0) {
    // Its release is to come. It is not revived: nothing may have covered the object since, and the owner may have made
    // another of that name.
    table_.forget(*known);
    known = nullptr;
  }
  if (known != nullptr) {
    hold(*known);
  } else {
    known = &table_.allocate();
    known->id = ref.object;
    known->owner = ref.owner;
    known->phase = Phase::borrowed;
    known->refs.store(1, std::memory_order_relaxed);
    if (ours) {
      resolve(*known, Value::of(Error(ErrorCode::object_lost, "object " + ref.object.to_string() +
                                                                  " was freed while a reference to it travelled")));
    } else {
      table_.index(*known);
    }
  }
  if (lent && !ours) {
    if (of_the_dead) effects_.send(ref.owner, AddBorrower{ref.object, self_});  // OWN-13
    ++known->more().counted_borrows;
  }
  return known;
}

detail::WireRef Owner::export_ref(Entry& entry) {
  if (entry.owned) make_findable(entry);
  return {entry.id, entry.owned ? self_ : entry.owner};
}

// A task that runs again in this process gives its children the names of the first run. If a child of that run is still
// known, the new one takes another name: no other process knows the new one yet.
void Owner::make_findable(Entry& entry) {
  constexpr std::uint64_t kNamesake = std::uint64_t{1} << 62;
  while (!table_.index(entry)) entry.id = entry.id.put(kNamesake);
}

void Owner::lend(Entry& entry, ClientId to) {
  if (entry.owned) {
    add_borrower(entry, to, 1);  // also to ourselves, on a lease on our own process: until the result is read
  } else if (to != entry.owner && entry.owner != self_) {
    if (!entry.extra || !entry.extra->announced) entry.more().passed_on = true;
    effects_.send(entry.owner, AddBorrower{entry.id, to});
  }
}

void Owner::export_contained(const std::vector<Entry*>& contained, ClientId to) {
  ++batching_;
  for (Entry* entry : contained) lend(*entry, to);
  --batching_;
  send_replicas();
}

std::vector<detail::WireRef> Owner::export_to(const std::vector<Entry*>& entries, ClientId to) {
  std::vector<detail::WireRef> refs;
  for (Entry* entry : entries) refs.push_back(export_ref(*entry));
  export_contained(entries, to);
  return refs;
}

// The submitter announces these, whatever others announce: their messages may reach the owner after the submitter's
// last reference is gone. For the same reason an object that was passed on counts as kept: the owner must learn of the
// third process while it has another borrower. This process is one from the reply on until it gives the object back.
std::vector<detail::WireRef> Owner::kept_after_task(const std::vector<Entry*>& imported) {
  std::vector<detail::WireRef> kept;
  for (Entry* entry : imported) {
    if (entry->owned || entry->owner == self_) continue;                // or was ours, and is lost
    const bool held = entry->refs.load(std::memory_order_acquire) > 1;  // one reference is the caller's own
    if (!held && !(entry->extra && entry->extra->passed_on)) continue;
    EntryExtra& extra = entry->more();
    if (extra.announced) continue;
    extra.announced = true;
    ++extra.counted_borrows;
    kept.push_back({entry->id, entry->owner});
  }
  return kept;
}

// Before the submitter drops its own holds on the arguments: the owner of each must know the process that keeps it.
void Owner::announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by) {
  for (const detail::WireRef& ref : kept) {
    Entry* entry = find_argument(task, ref.object);
    if (entry == nullptr || !by) continue;
    if (is_standby(ref.owner) && ref.owner != entry->owner) fail_over(primary_of(ref.owner));
    const bool notified_too_late = !entry->owned && is_standby(entry->owner) && !is_standby(ref.owner);
    if (!notified_too_late) {
      lend(*entry, by);
    } else if (by != self_) {  // OWN-13: what it counts is no loan of the standby owner's
      effects_.send(entry->owner, AddBorrower{entry->id, by});
      effects_.send(by, Passed{{entry->id, entry->owner}});
    }
  }
}

void Owner::add_borrower(Entry& entry, ClientId client, std::int64_t count) {
  if (count == 0 || is_dead(client)) return;  // OWN-6
  make_findable(entry);
  auto& borrowers = entry.more().borrowers;
  auto it = std::find_if(borrowers.begin(), borrowers.end(), [&](const auto& b) { return b.client == client; });
  if (it == borrowers.end()) {
    const bool first = borrowers.empty();
    if (first) hold(entry);  // all borrowers together are one hold
    borrowers.push_back({client, count});
    if (client != self_ && entry.extra->replication == EntryExtra::Replication::none) leave(entry);
    return;
  }
  it->count += count;
  if (it->count != 0 && !(planted_bug(7) && count < 0)) return;
  borrowers.erase(it);
  if (borrowers.empty()) unhold(entry);
}

void Owner::answer(Entry& entry, ClientId subscriber) {
  if (entry.value.kind() == Value::Kind::spilled && !effects_.restore(entry) && !entry.value.failed()) {
    hold(entry);
    unanswered_.push_back({&entry, subscriber});
    return;
  }
  entry.seen = true;
  Fetched reply{entry.id, entry.value.clone(), {}};
  if (entry.extra) {
    reply.contained = export_to(entry.extra->contained, subscriber);
  }
  effects_.send(subscriber, std::move(reply));
}

void Owner::receive(ClientId from, const PeerMessage& message) {
  std::visit(
      Overloaded{
          [&](const Fetch& fetch) {
            if (is_dead(from)) return;  // nothing more is lent to it
            Entry* entry = table_.find(fetch.object);
            if (entry == nullptr && is_standby(self_)) {
              effects_.send(from, NotReplicated{fetch.object});
            } else if (entry == nullptr) {
              effects_.send(from,
                            Fetched{fetch.object,
                                    Value::of(Error(ErrorCode::object_lost, "object " + fetch.object.to_string() +
                                                                                " is not known to its owner any more")),
                                    {}});
            } else if (entry->phase == Phase::resolved) {
              answer(*entry, from);
            } else {
              entry->more().subscribers.push_back(from);
              want(*entry);
            }
          },
          [&](const Fetched& fetched) {
            std::vector<Entry*> inside;
            for (const detail::WireRef& ref : fetched.contained) inside.push_back(import(ref, true));
            Entry* entry = table_.find(fetched.object, from);
            if (entry != nullptr && entry->phase == Phase::borrowed) {
              if (!inside.empty()) std::swap(entry->more().contained, inside);
              resolve(*entry, fetched.value.clone());
            }
            drop_holds(inside);  // not taken over: the entry is gone, or has its value
          },
          [&](const AddBorrower& lent) {
            Entry* entry = table_.find(lent.object);
            if (entry != nullptr) add_borrower(*entry, lent.client, 1);
          },
          [&](const RemoveBorrower& back) {
            Entry* entry = table_.find(back.object);
            if (entry != nullptr) add_borrower(*entry, from, -back.count);
          },
          [&](const FindActor& find) {
            if (is_dead(from)) return;
            Entry* entry = table_.find(find.actor);
            if (is_standby(self_)) return effects_.send(from, NotReplicated{find.actor});
            if (entry == nullptr || entry->kind != Kind::actor) {
              effects_.send(from, ActorGone{find.actor, Value::of(Error(ErrorCode::actor_died,
                                                                        "actor " + find.actor.to_string() +
                                                                            " has ended: its last handle is gone"))});
              return;
            }
            auto& subscribers = entry->actor->subscribers;
            if (std::find(subscribers.begin(), subscribers.end(), from) == subscribers.end())
              subscribers.push_back(from);
            tell(*entry->actor, from);
          },
          [&](const ActorAt& at) {
            Entry* entry = table_.find(at.actor, from);
            if (entry != nullptr && entry->kind == Kind::actor) located(*entry, at);
          },
          [&](const ActorGone& gone) {
            Entry* entry = table_.find(gone.actor, from);
            if (entry != nullptr && entry->kind == Kind::actor && gone.error.failed()) {
              actor_dead(*entry->actor, gone.error.error());
            }
          },
          [&](const KillActor& kill) {
            Entry* entry = table_.find(kill.actor);
            if (entry != nullptr && entry->kind == Kind::actor) kill_actor(*entry, kill.restart);
          },
          [&](const CancelTask& cancelling) {
            Entry* entry = table_.find(cancelling.object);
            if (entry == nullptr || is_standby(self_)) return;
            Cancellation how = cancelling.how;
            how.force = how.force && entry->kind == Kind::task;  // a borrower cannot tell a task from a call
            (void)cancel(*entry, how);
          },
          [&](const AdoptActor& adopt) {
            if (is_dead(from)) return;
            Entry* entry = is_standby(self_) ? nullptr : adopt_actor(adopt.actor);
            if (entry != nullptr) {
              add_borrower(*entry, from, 1);
              unhold(*entry);
            }
            effects_.send(from, Adopted{adopt.request, entry != nullptr});
          },
          [](const Adopted&) {},  // of the edge, which has asked
          [&](const OwnerDied& died) { fail_over(died.owner); },
          [&](const Passed& passed) { unhold(*import(passed.ref, true)); },
          [&](const NotReplicated& lost) { orphaned(lost.object, from); },
          [&](const StreamItems& items) { receive_items(from, items); },
          [](const StreamCredit&) {},  // of the edge that makes the items
          [](const StreamStop&) {},
      },
      message);
}

Error Owner::lost_with_owner(const Entry& entry, const std::string& status) {
  if (entry.kind == Kind::actor) {
    return Error(
        ErrorCode::actor_died,
        about_end("actor " + entry.id.to_string() + " ended with the process that had created it, which ", status));
  }
  return Error(ErrorCode::object_lost,
               about_end("object " + entry.id.to_string() + " is lost: the process that owned it ", status,
                         "; what its node adopts was in memory by then, and known to others"));
}

bool Owner::is_dead(ClientId client) const { return dead_.contains(client) || dead_nodes_.contains(node_of(client)); }

// The standby owner does not know it.
void Owner::orphaned(const ObjectId& object, ClientId standby) {
  Entry* entry = table_.find(object, standby);
  if (entry == nullptr || entry->phase != Phase::borrowed) return;
  const auto status = dead_.find(primary_of(standby));
  fail(*entry, lost_with_owner(*entry, status == dead_.end() ? "has ended" : status->second));
}

void Owner::client_died(ClientId client, const std::string& status) {
  bury([&](ClientId other) { return other == client; }, status, true);
  dead_.emplace(client, status);
  fail_over(client);
  if (!stored_in_.contains(client)) effects_.arena_unused(client);
}

void Owner::node_died(NodeId node, const std::string& status) {
  bury([&](ClientId client) { return node_of(client) == node; }, status, false);
  dead_nodes_.insert(node);
  lose_values(node, status);
}

// standby owners: the dead processes have standby owners.
void Owner::bury(const std::function<bool(ClientId)>& gone, const std::string& status, bool standbys) {
  lose_actors(gone, status);
  std::vector<Entry*> touched;
  table_.for_each([&](Entry& entry) {
    const bool orphan =
        !entry.owned && entry.phase == Phase::borrowed && gone(entry.owner) && (entry.kind == Kind::actor || !standbys);
    if (orphan ||
        (entry.owned && entry.extra && (!entry.extra->borrowers.empty() || !entry.extra->subscribers.empty()))) {
      hold(entry);
      touched.push_back(&entry);
    }
  });
  for (Entry* entry : touched) {
    if (!entry->owned) {
      if (entry->phase == Phase::borrowed) fail(*entry, lost_with_owner(*entry, status));
      continue;
    }
    std::erase_if(entry->extra->subscribers, gone);
    const auto borrowers = entry->extra->borrowers;
    for (const EntryExtra::Borrower& borrower : borrowers) {
      if (gone(borrower.client)) add_borrower(*entry, borrower.client, -borrower.count);
    }
  }
  drop_holds(touched);
}

}  // namespace manta::owner
