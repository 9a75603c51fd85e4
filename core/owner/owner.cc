#include "core/owner/owner.h"

#include <algorithm>
#include <utility>

#include "core/base/overloaded.h"
#include "core/owner/actor_waits.h"

namespace manta::owner {

// Each function says which part does what another part asks for.
struct Owner::Wiring final : ObjectEvents,
                             BorrowingContext,
                             ReplicationContext,
                             TaskContext,
                             LeaseContext,
                             ActorContext,
                             StreamContext,
                             CancelContext,
                             SpillContext {
  Wiring(Owner& owner, OwnerEffects& to) : o(owner), effects(to) {}

  // --- ObjectEvents
  void freeing(Entry& entry) override {
    o.failures_.report_if_unread(entry);
    if (entry.kind == Kind::actor) o.actors_.handle_gone(*entry.actor);
    if (!entry.extra) return;
    o.replication_.revoke(entry);
    o.tasks_.drop_lineage(entry);
  }
  void released(Entry& entry) override { o.borrowing_.give_back(entry); }
  void resolved(Entry& entry) override {
    if (entry.extra && entry.extra->stream) Streams::update_ready(entry);
    if (entry.watched) effects.resolved(entry);
    in_memory(entry);
    if (entry.extra) o.borrowing_.answer_subscribers(entry);
  }
  void value_leaves(Entry& entry) override { o.replication_.revoke(entry); }
  void arguments_ready(Entry& task) override { ready(task); }
  void argument_failed(Entry& task, const Error& error) override { fail(task, error); }

  // --- tasks
  void want(Entry& entry) override { o.tasks_.want(entry); }
  void fail(Entry& entry, const Error& error) override { o.tasks_.fail(entry, error); }
  Entry& make(NewTask& task, Kind kind, Actor* actor) override { return o.tasks_.make(task, kind, actor); }
  Entry& begin(Entry& entry, NewTask& task) override { return o.tasks_.begin(entry, task); }
  bool attempt_lost(Entry& task, const std::string& status) override { return o.tasks_.attempt_lost(task, status); }
  bool await_references(Entry& task) override { return o.tasks_.await_references(task); }
  std::uint64_t limited() const override { return o.tasks_.limited(); }
  void replaced(Entry& call, Entry& rest) override {
    o.tasks_.replaced(call, rest);
    o.streams_.end_early(call);
  }

  // --- what runs them
  void ready(Entry& entry) override { entry.kind == Kind::task ? o.leases_.ready(entry) : o.actors_.ready(entry); }
  void promote(Entry& task) override { o.leases_.promote(task); }
  void again(Entry& task) override { o.leases_.again(task); }
  void unlink(Entry& entry) override {
    entry.kind == Kind::task ? o.leases_.unlink(entry) : entry.actor->calls.remove(entry);
  }
  void fail_actor(Actor& actor, const Error& error) override { o.actors_.end(actor, error); }
  void task_ended(Lease& lease) override { o.leases_.task_ended(lease); }
  void call_ended(Actor& actor, bool may_push) override {
    if (may_push) o.actors_.calls().dispatch(actor);
    o.actors_.calls().ended(actor);
  }
  void taken_out(Entry& entry) override {
    entry.kind == Kind::task ? o.leases_.taken_out(entry) : o.actors_.calls().taken_out(entry);
  }
  void vacate(Lease& lease) override { o.leases_.vacate(lease); }
  void running(std::vector<Entry*>& entries) const override {
    o.leases_.running(entries);
    o.actors_.running(entries);
  }

  // --- other processes
  Entry* import(const detail::WireRef& ref, bool counted) override { return o.borrowing_.import(ref, counted); }
  detail::WireRef export_ref(Entry& entry) override { return o.borrowing_.export_ref(entry); }
  void add_borrower(Entry& entry, ClientId to) override { o.borrowing_.add_borrower(entry, to); }
  void add_borrower(Entry& entry, ClientId client, std::int64_t count) override {
    o.borrowing_.add_borrower(entry, client, count);
  }
  void announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by) override {
    o.borrowing_.announce_kept(task, kept, by);
  }
  void shared(Entry& entry) override { o.replication_.shared(entry); }
  void begin_sharing() override { o.replication_.begin(); }
  void end_sharing() override { o.replication_.end(); }

  // --- memory
  Arguments bring_arguments(Entry& task) override { return o.spilling_.bring_arguments(task); }
  Error no_space(const std::string& what) override { return o.spilling_.no_space(what); }
  void leaves_memory(Entry& entry) override {
    if (entry.extra) o.replication_.revoke(entry);
    o.replication_.flush_withdrawals();
  }
  void in_memory(Entry& entry) override {
    if (entry.extra && entry.extra->replication == EntryExtra::Replication::due) o.replication_.shared(entry);
  }

  Owner& o;
  OwnerEffects& effects;
};

Owner::Owner(ClientId self, const OwnerConfig& config, OwnerEffects& effects)
    : wiring_(std::make_unique<Wiring>(*this, effects)),
      labels_(config.function_name),
      objects_(self, deaths_, effects, *wiring_),
      replication_(self, effects, *wiring_),
      borrowing_(objects_, deaths_, config.restore_ticks, effects, *wiring_),
      tasks_(objects_, deaths_, labels_, effects, *wiring_),
      leases_(objects_, labels_,
              {config.max_in_flight, config.max_leases, config.idle_ticks, config.pressed_ticks, config.restore_ticks},
              effects, *wiring_),
      actors_(objects_, deaths_, labels_, {config.restore_ticks, config.restarts}, effects, *wiring_),
      streams_(objects_, deaths_, effects, *wiring_),
      cancelling_(objects_, deaths_, labels_, {config.force_ticks, config.limit_grace}, effects, *wiring_),
      spilling_(objects_, effects, *wiring_),
      failures_(labels_, effects) {}

Owner::~Owner() = default;

void Owner::lease_ended(LeaseId lease, const std::string& status) {
  if (!actors_.lease_ended(lease, status)) leases_.ended(lease, status);
}

void Owner::infeasible(DemandIndex index, const std::string& why) {
  if (leases_.has_shape(index)) return leases_.infeasible(static_cast<ShapeIndex>(index), why);
  actors_.infeasible(index, why);
}

sched::Where Owner::where_of(DemandIndex index) const {
  return leases_.has_shape(index) ? leases_.where_of(static_cast<ShapeIndex>(index)) : actors_.where_of(index);
}

void Owner::receive(ClientId from, const PeerMessage& message) {
  const auto find = [&](const ObjectId& id) { return objects_.table().find(id); };
  std::visit(Overloaded{
                 [&](const Fetch& m) {
                   if (borrowing_.fetch(from, m.object)) return;
                   const std::string why = "object " + m.object.to_string() + " is not known to its owner any more";
                   wiring_->effects.send(from, Fetched{m.object, Value::of(Error(ErrorCode::object_lost, why)), {}});
                 },
                 [&](const Fetched& m) { borrowing_.fetched(from, m); },
                 [&](const AddBorrower& m) {
                   if (Entry* entry = find(m.object)) borrowing_.add_borrower(*entry, m.client, 1);
                 },
                 [&](const RemoveBorrower& m) {
                   if (Entry* entry = find(m.object)) borrowing_.add_borrower(*entry, from, -m.count);
                 },
                 [&](const FindActor& m) {
                   if (deaths_.contains(from) || actors_.locate(from, m.actor)) return;
                   const std::string why = "actor " + m.actor.to_string() + " has ended: its last handle is gone";
                   wiring_->effects.send(from, ActorGone{m.actor, Value::of(Error(ErrorCode::actor_died, why))});
                 },
                 [&](const ActorAt& m) { actors_.located(from, m); },
                 [&](const ActorGone& m) { actors_.gone(from, m); },
                 [&](const KillActor& m) {
                   Entry* entry = find(m.actor);
                   if (entry != nullptr && entry->kind == Kind::actor) actors_.kill(*entry, m.restart);
                 },
                 [&](const CancelTask& m) {
                   Entry* entry = find(m.object);
                   if (entry == nullptr) return;
                   Cancellation how = m.how;
                   how.force = how.force && entry->kind == Kind::task;  // a borrower cannot tell a task from a call
                   (void)cancelling_.cancel(*entry, how);
                 },
                 [&](const AdoptActor& m) {
                   if (deaths_.contains(from)) return;
                   Entry* entry = actors_.adopt(m.actor);
                   if (entry != nullptr) {
                     borrowing_.add_borrower(*entry, from, 1);
                     objects_.unhold(*entry);
                   }
                   wiring_->effects.send(from, Adopted{m.request, entry != nullptr});
                 },
                 [](const Adopted&) {},  // of the edge, which has asked
                 [&](const OwnerDied& m) { borrowing_.fail_over(m.owner); },
                 [&](const Passed& m) { objects_.unhold(*borrowing_.import(m.ref, true)); },
                 [&](const NotReplicated& m) { borrowing_.not_replicated(from, m.object); },
                 [&](const StreamItems& m) { streams_.receive(from, m); },
                 [](const StreamCredit&) {},  // of the edge that makes the items
                 [](const StreamStop&) {},
             },
             message);
}

void Owner::client_died(ClientId client, const std::string& status) {
  const auto gone = [&](ClientId other) { return other == client; };
  actors_.drop_dead(gone, status);
  borrowing_.drop_dead(gone, status, true);
  deaths_.add(client, status);
  borrowing_.fail_over(client);
  objects_.client_died(client);
}

void Owner::node_died(NodeId node, const std::string& status) {
  const auto gone = [&](ClientId client) { return node_of(client) == node; };
  actors_.drop_dead(gone, status);
  borrowing_.drop_dead(gone, status, false);
  deaths_.add(node);
  objects_.lose_values(node, status);
}

void Owner::fail_all(const Error& error) {
  cancelling_.drop_forced();
  std::vector<Entry*> constructing = actors_.drop_workers();
  std::vector<Entry*> open;
  objects_.table().for_each([&](Entry& entry) {
    if (entry.phase == Phase::waiting || entry.phase == Phase::queued || entry.phase == Phase::pushed ||
        entry.phase == Phase::borrowed || entry.phase == Phase::actor) {
      objects_.hold(entry);
      open.push_back(&entry);
    }
  });
  objects_.table().for_each([&](Entry& entry) {
    if (entry.phase != Phase::lost) return;
    entry.value = Value::of(error);
    entry.phase = Phase::resolved;
    entry.resolved.store(true, std::memory_order_release);
  });
  for (Entry* entry : open) {
    if (entry->phase != Phase::resolved && entry->phase != Phase::here) tasks_.fail(*entry, error);
  }
  objects_.drop_holds(open);
  objects_.drop_holds(constructing);
  leases_.drop_all();
}

void Owner::tick(bool others_wait, std::uint32_t milliseconds) {
  cancelling_.tick();
  borrowing_.tick(milliseconds);
  leases_.tick(others_wait, milliseconds);
  actors_.tick(milliseconds);
}

bool Owner::busy() const {
  return tasks_.unfinished() > 0 || leases_.busy() || borrowing_.busy() || cancelling_.busy() || actors_.busy();
}

std::vector<Unmet> Owner::unmet() const {
  std::vector<Unmet> all;
  leases_.unmet(all);
  actors_.unmet(all);
  borrowing_.unmet(all);
  return all;
}

std::string Owner::label_of(DemandIndex index) const {
  if (index == Borrowing::kDemand) return borrowing_.label();
  if (index >= kFirstActor) return actors_.label_of(index);
  return leases_.has_shape(index) ? leases_.label_of(static_cast<ShapeIndex>(index)) : "a task";
}

Obstacle Owner::obstacle(const Entry& first) const {
  const Entry* entry = &first;
  for (int depth = 0; depth < 100 && entry->phase == Phase::waiting && entry->extra; ++depth) {
    const auto& references = entry->extra->references;
    const auto open = std::find_if(references.begin(), references.end(),
                                   [](const Entry* reference) { return reference->phase != Phase::resolved; });
    if (open == references.end()) break;
    entry = *open;
  }
  switch (entry->phase) {
    case Phase::queued:
    case Phase::pushed:
      return entry->kind == Kind::call ? obstacle_of_actor(*entry, labels_) : leases_.obstacle(*entry);
    case Phase::actor:
      return obstacle_of_actor(*entry, labels_);
    case Phase::borrowed:
      return {"", "another process makes the value", {}, 0};
    default:
      return {"", "", {}, 0};
  }
}

std::string Owner::check_invariants() const {
  std::uint64_t open = 0;
  objects_.table().for_each([&](const Entry& entry) {
    const bool done = entry.phase == Phase::resolved || entry.phase == Phase::lost;
    if (entry.owned && !done && entry.kind != Kind::actor) ++open;
  });
  if (open != tasks_.unfinished()) return "OWN-1: unfinished count differs from the table";
  for (const std::string& broken :
       {objects_.check_invariants(), leases_.check_invariants(), actors_.check_invariants()}) {
    if (!broken.empty()) return broken;
  }
  return {};
}

}  // namespace manta::owner
