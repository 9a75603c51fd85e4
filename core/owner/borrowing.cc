#include "core/owner/borrowing.h"

#include <algorithm>
#include <utility>

#include "core/base/planted_bug.h"
#include "core/owner/labels.h"

namespace manta::owner {

Entry* Borrowing::import(const detail::WireRef& named, bool counted) {
  detail::WireRef ref = named;
  const bool of_the_dead = failed_over_.contains(ref.owner);
  if (of_the_dead) ref.owner = standby_of(ref.owner);
  if (is_standby(ref.owner) && ref.owner != objects_.self()) fail_over(primary_of(ref.owner));
  const bool ours = ref.owner == objects_.self();
  Entry* known = objects_.table().find(ref.object, ours ? ClientId{} : ref.owner);
  if (known != nullptr && !ours && known->refs.load(std::memory_order_acquire) == 0) {
    // Its release is to come. It is not revived: nothing may have covered the object since, and the owner may have made
    // another of that name.
    objects_.table().forget(*known);
    known = nullptr;
  }
  if (known != nullptr) {
    objects_.hold(*known);
  } else {
    known = &objects_.table().allocate();
    known->id = ref.object;
    known->owner = ref.owner;
    known->phase = Phase::borrowed;
    known->refs.store(1, std::memory_order_relaxed);
    if (ours) {
      objects_.resolve(*known,
                       Value::of(Error(ErrorCode::object_lost, "object " + ref.object.to_string() +
                                                                   " was freed while a reference to it travelled")));
    } else {
      objects_.table().index(*known);
    }
  }
  if (counted && !ours) {
    if (of_the_dead) effects_.send(ref.owner, AddBorrower{ref.object, objects_.self()});  // OWN-13
    ++known->more().counted_borrows;
  }
  return known;
}

detail::WireRef Borrowing::export_ref(Entry& entry) {
  if (entry.owned) objects_.make_findable(entry);
  return {entry.id, entry.owned ? objects_.self() : entry.owner};
}

void Borrowing::add_borrower(Entry& entry, ClientId to) {
  if (entry.owned) {
    add_borrower(entry, to, 1);  // also to ourselves, on a lease on our own process: until the result is read
  } else if (to != entry.owner && entry.owner != objects_.self()) {
    if (!entry.extra || !entry.extra->announced) entry.more().passed_on = true;
    effects_.send(entry.owner, AddBorrower{entry.id, to});
  }
}

void Borrowing::export_contained(const std::vector<Entry*>& contained, ClientId to) {
  context_.begin_sharing();
  for (Entry* entry : contained) add_borrower(*entry, to);
  context_.end_sharing();
}

std::vector<detail::WireRef> Borrowing::export_to(const std::vector<Entry*>& entries, ClientId to) {
  std::vector<detail::WireRef> refs;
  for (Entry* entry : entries) refs.push_back(export_ref(*entry));
  export_contained(entries, to);
  return refs;
}

// The submitter announces these, whatever others announce: their messages may reach the owner after the submitter's
// last reference is gone. For the same reason an object that was passed on counts as kept: the owner must learn of the
// third process while it has another borrower. This process is one from the reply on until it gives the object back.
std::vector<detail::WireRef> Borrowing::kept_after_task(const std::vector<Entry*>& imported) {
  std::vector<detail::WireRef> kept;
  for (Entry* entry : imported) {
    if (entry->owned || entry->owner == objects_.self()) continue;      // or was ours, and is lost
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

// A reference among the task's arguments, or inside them.
Entry* Borrowing::find_argument(const Entry& task, const ObjectId& id) {
  if (!task.extra) return nullptr;
  const auto find_in = [&](const std::vector<Entry*>& entries) {
    const auto it = std::find_if(entries.begin(), entries.end(), [&](const Entry* e) { return e->id == id; });
    return it == entries.end() ? nullptr : *it;
  };
  if (Entry* found = find_in(task.extra->contained)) return found;
  if (Entry* found = find_in(task.extra->references)) return found;
  for (const Entry* reference : task.extra->references) {
    if (!reference->extra) continue;
    if (Entry* found = find_in(reference->extra->contained)) return found;
  }
  return nullptr;
}

// Before the submitter drops its own holds on the arguments: the owner of each must know the process that keeps it.
void Borrowing::announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by) {
  for (const detail::WireRef& ref : kept) {
    Entry* entry = find_argument(task, ref.object);
    if (entry == nullptr || !by) continue;
    if (is_standby(ref.owner) && ref.owner != entry->owner) fail_over(primary_of(ref.owner));
    const bool notified_too_late = !entry->owned && is_standby(entry->owner) && !is_standby(ref.owner);
    if (!notified_too_late) {
      add_borrower(*entry, by);
    } else if (by != objects_.self()) {  // OWN-13: the standby owner does not count that one
      effects_.send(entry->owner, AddBorrower{entry->id, by});
      effects_.send(by, Passed{{entry->id, entry->owner}});
    }
  }
}

void Borrowing::add_borrower(Entry& entry, ClientId client, std::int64_t count) {
  if (count == 0 || deaths_.contains(client)) return;  // OWN-6
  objects_.make_findable(entry);
  auto& borrowers = entry.more().borrowers;
  auto it = std::find_if(borrowers.begin(), borrowers.end(), [&](const auto& b) { return b.client == client; });
  if (it == borrowers.end()) {
    const bool first = borrowers.empty();
    if (first) objects_.hold(entry);  // all borrowers together are one hold
    borrowers.push_back({client, count});
    if (client != objects_.self() && entry.extra->replication == EntryExtra::Replication::none) context_.shared(entry);
    return;
  }
  it->count += count;
  if (it->count != 0 && !(planted_bug(7) && count < 0)) return;
  borrowers.erase(it);
  if (borrowers.empty()) objects_.unhold(entry);
}

bool Borrowing::fetch(ClientId from, const ObjectId& object) {
  if (deaths_.contains(from)) return true;  // a dead process gets no references
  Entry* entry = objects_.table().find(object);
  if (entry == nullptr) return false;
  if (entry->phase == Phase::resolved) {
    answer(*entry, from);
  } else {
    entry->more().subscribers.push_back(from);
    context_.want(*entry);
  }
  return true;
}

void Borrowing::fetched(ClientId from, const Fetched& fetched) {
  std::vector<Entry*> inside;
  for (const detail::WireRef& ref : fetched.contained) inside.push_back(import(ref, true));
  Entry* entry = objects_.table().find(fetched.object, from);
  if (entry != nullptr && entry->phase == Phase::borrowed) {
    if (!inside.empty()) std::swap(entry->more().contained, inside);
    objects_.resolve(*entry, fetched.value.clone());
  }
  objects_.drop_holds(inside);  // not taken over: the entry is gone, or has its value
}

void Borrowing::give_back(const Entry& entry) {
  if (!entry.extra || entry.extra->counted_borrows == 0) return;
  effects_.send(entry.owner, RemoveBorrower{entry.id, entry.extra->counted_borrows});
}

void Borrowing::answer_subscribers(Entry& entry) {
  for (const ClientId& subscriber : std::exchange(entry.extra->subscribers, {})) answer(entry, subscriber);
}

void Borrowing::answer(Entry& entry, ClientId subscriber) {
  if (entry.value.spilled() && !effects_.restore(entry) && !entry.value.failed()) {
    objects_.hold(entry);
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

void Borrowing::fail_over(ClientId owner) {
  if (owner == objects_.self() || !failed_over_.insert(owner).second) return;
  std::vector<Entry*> ours, actors;
  objects_.table().for_each([&](Entry& entry) {
    if (entry.owned || entry.owner != owner) return;
    if (entry.refs.load(std::memory_order_acquire) == 0) return;  // its release is to come
    (entry.kind == Kind::actor ? actors : ours).push_back(&entry);
  });
  for (Entry* entry : ours) register_with_standby(*entry);
  for (Entry* entry : actors) objects_.hold(*entry);
  for (Entry* entry : actors) {  // which have no standby owner
    if (entry->phase != Phase::borrowed) continue;
    context_.fail(*entry, lost_with_owner(*entry, deaths_.status_of(owner)));
  }
  objects_.drop_holds(actors);
}

// OWN-13
void Borrowing::register_with_standby(Entry& entry) {
  if (entry.indexed) objects_.table().forget(entry);
  entry.owner = standby_of(entry.owner);
  objects_.table().index(entry);
  entry.more().counted_borrows = 1;
  if (deaths_.contains(node_of(entry.owner))) return;
  effects_.send(entry.owner, AddBorrower{entry.id, objects_.self()});
  if (entry.phase == Phase::borrowed && entry.wanted) effects_.send(entry.owner, Fetch{entry.id});
}

void Borrowing::not_replicated(ClientId standby, const ObjectId& object) {
  Entry* entry = objects_.table().find(object, standby);
  if (entry == nullptr || entry->phase != Phase::borrowed) return;
  context_.fail(*entry, lost_with_owner(*entry, deaths_.status_of(primary_of(standby))));
}

void Borrowing::drop_dead(const std::function<bool(ClientId)>& gone, const std::string& status, bool standbys) {
  std::vector<Entry*> touched;
  objects_.table().for_each([&](Entry& entry) {
    const bool orphan =
        !entry.owned && entry.phase == Phase::borrowed && gone(entry.owner) && (entry.kind == Kind::actor || !standbys);
    if (orphan ||
        (entry.owned && entry.extra && (!entry.extra->borrowers.empty() || !entry.extra->subscribers.empty()))) {
      objects_.hold(entry);
      touched.push_back(&entry);
    }
  });
  for (Entry* entry : touched) {
    if (!entry->owned) {
      if (entry->phase == Phase::borrowed) context_.fail(*entry, lost_with_owner(*entry, status));
      continue;
    }
    std::erase_if(entry->extra->subscribers, gone);
    const auto borrowers = entry->extra->borrowers;
    for (const EntryExtra::Borrower& borrower : borrowers) {
      if (gone(borrower.client)) add_borrower(*entry, borrower.client, -borrower.count);
    }
  }
  objects_.drop_holds(touched);
}

void Borrowing::tick(std::uint32_t milliseconds) {
  for (Unanswered& waiting : std::exchange(unanswered_, {})) {
    if (!deaths_.contains(waiting.subscriber)) {
      if ((waiting.ticks += milliseconds) < restore_ticks_) {
        const std::size_t before = unanswered_.size();
        answer(*waiting.entry, waiting.subscriber);
        if (unanswered_.size() > before) unanswered_.back().ticks = waiting.ticks;
      } else {
        const Error error = context_.no_space("object " + waiting.entry->id.to_string());
        effects_.send(waiting.subscriber, Fetched{waiting.entry->id, Value::of(error), {}});
      }
    }
    objects_.unhold(*waiting.entry);
  }
}

void Borrowing::unmet(std::vector<Unmet>& all) const {
  if (unanswered_.empty()) return;
  static const sched::ResourceSet none;
  const Entry& first = *unanswered_.front().entry;
  all.push_back({kDemand, false, &none, {}, unanswered_.size(), first.id.low, space_for(first)});
}

std::string Borrowing::label() const {
  return unanswered_.empty() ? "an object" : "object " + unanswered_.front().entry->id.to_string();
}

}  // namespace manta::owner
