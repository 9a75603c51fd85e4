// Everything a process knows about the objects it owns or borrows and the tasks it submitted. Sans-I/O.
//
// As in "Ownership" (Wang et al., NSDI '21): the submitter of a task owns its result: value, references, retries.
//
//   OWN-1  every submitted task resolves exactly once, whatever dies
//   OWN-2  only an attempt that had started counts against max_retries
//   OWN-3  an entry is freed when, and not before, no Ref, no queued or running task, no value that contains it and no
//          borrower is left
//   OWN-4  a task is in at most one ring at a time
//   OWN-5  every lease is returned, or ends with its worker; demand drops to zero when nothing is left to run
//   OWN-6  messages may come late, twice (deaths, ends of leases) or for things long gone
//   OWN-7  refs may fall to 0 outside the lock while an import finds the entry and holds it again; `late_releases`
//          counts the release_last calls that are still to come for such an entry
//   OWN-8  while an entry of this process has its value in another process' arena, that memory is kept, even after the
//          other's death; arena_unused() reports when it is no longer needed
//   OWN-9  a value goes to the spill file only while no other process and no view in this one may read its block: no
//          process has borrowed it, and no task that may run has it among its arguments, or a level deeper
//   OWN-10  calls of one process to one actor start in the order in which they were made; a call that had started when
//          the actor's process died starts again at most max_task_retries times
//   OWN-11  a stored result on another node that dies is made again by its task, with the arguments that it had, when
//           it is wanted and as often as max_retries allows; its borrowers ask for it again
//   OWN-12 an object that another process may hold, and all inside it that is owned here, is replicated to the standby
//          owner before that process sees the reference, or once the value is there; spilled values excepted
//   OWN-13 a process that knows of an owner's death holds the objects from the standby owner, with which it registers
//          itself, also for each reference that is lent to it later under the dead owner's id
//   OWN-14 a task that is cancelled before it starts never starts; one that has started does not start again, and ends
//          as cancelled unless it returned a value
//   OWN-15 a run that has passed its time limit is cancelled, and ends as `deadline`, whatever it returns; if it goes
//          on after that, a task's worker ends, and a call is resolved without it (see owner/time_limits.h)
//
// Threading: none of its own; the edge's one lock covers every call, Ref counts excepted. Ownership: owns its entries;
// effects and links must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <manta/ids.h>

#include "core/owner/actor.h"
#include "core/owner/entry.h"
#include "core/owner/entry_table.h"
#include "core/owner/messages.h"
#include "core/owner/time_limits.h"
#include "core/owner/unmet.h"
#include "core/sched/resources.h"

namespace manta::owner {

using ShapeIndex = std::uint16_t;
// What a process wants of its node has a number: that of a resource shape, or from kFirstActor on that of an actor.
using DemandIndex = std::uint32_t;
inline constexpr DemandIndex kFirstActor = 1u << 16;

// The submitter's end of one leased worker. Entries stay in order; the edge remembers which record is whose.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  // Writes the task (entry.function, ref_mask, value, references) for the worker. False: no room now.
  virtual bool push(Entry& entry) = 0;
  // Takes back the newest task that has not started; null: none.
  virtual Entry* take_back_last() = 0;
  // Takes back this one; false: it has started.
  virtual bool take_back(Entry& entry) = 0;
  // After the worker's death, and after its finished tasks were reported: the next one that had started; null: no more.
  virtual Entry* next_lost() = 0;
  // Asks the worker to end its actor, and itself, after what was pushed before. False: no room now.
  virtual bool push_end() = 0;
  // Appends those that have started and have not ended, as far as is known here.
  virtual void running(std::vector<Entry*>& entries) const = 0;
  // Reports the end of `entry`, which runs, as that of `by`.
  virtual void replace(Entry& entry, Entry& by) = 0;
};

// An actor starts again, for people.
struct Restart {
  std::string actor;              // its label: "actor CLASS"
  std::uint32_t number = 0;       // from 1
  std::int32_t max_restarts = 0;  // -1: for ever
  std::string why;                // how its process ended
  bool in_constructor = false;    // before its constructor had ended
  bool asked_for = false;         // by manta::kill
  std::chrono::nanoseconds delay{};
};

class OwnerEffects {
 public:
  virtual ~OwnerEffects() = default;
  // The number of leases that this process wants to hold, blocked ones not counted. An actor's is never asked back.
  virtual void set_demand(DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) = 0;
  virtual void return_lease(LeaseId lease) = 0;
  // Ends the process of an actor's lease, which is given up with it.
  virtual void kill_worker(LeaseId lease) = 0;
  // The link to a worker that hosts an actor; null: not there yet, link_opened() follows unless the worker dies.
  virtual WorkerLink* link_to(ClientId worker) = 0;
  // The actor is dead or ends: others may have its name.
  virtual void drop_name(const std::string& name, const ObjectId& actor) = 0;
  virtual void send(ClientId to, PeerMessage message) = 0;
  // Nothing refers to the block any more.
  virtual void free_stored(const StoredLocation& location) = 0;
  // The entry's value is spilled and needed: brings it back by Owner::restored, or replaces it by Owner::unreadable.
  // False: there is no room now; it is asked again at a tick.
  virtual bool restore(Entry&) { return false; }
  virtual void free_spilled(const SpilledExtent&) {}
  // Why values cannot be spilled at present: "objects cannot be spilled to /tmp: ..."; empty: they can.
  virtual std::string not_spilled() const { return {}; }
  // The client is dead, and no value that is known here lies in its arena.
  virtual void arena_unused(ClientId) {}
  // The standby owner's news (OWN-12), in order. Before anything else is sent or freed.
  virtual void replicate(std::vector<Replica>) {}
  virtual void withdraw(std::vector<ObjectId>) {}
  // No entry says any more that its value lies there, in another process' arena.
  virtual void stored_unused(const StoredLocation&) {}
  // A task that was pushed to the worker, or runs here, was cancelled: it is to stop. Where it waits in the worker, it
  // is to come back. how.force: the worker is to end.
  virtual void stop_task(ClientId, const TaskId&, const Cancellation&) {}
  // A task, a call or an actor is tried once more, or the task of a result that was lost.
  virtual void tried_again(const std::string& /*what*/, std::uint32_t /*attempt*/, const std::string& /*why*/) {}
  // The process of an actor has ended, and another one is made after `delay`.
  virtual void restarts(const Restart& /*restart*/) {}
  // Of a clock that never goes back.
  virtual std::chrono::nanoseconds now() const = 0;
  // A task, a call or a constructor failed, and nothing has read or awaited that. what: "task f".
  virtual void unread_failure(const std::string& /*what*/, const Error& /*error*/) {}
  // A watched entry was resolved.
  virtual void resolved(Entry& entry) = 0;
};

struct NewTask {
  TaskId id;
  detail::FunctionId function;
  ShapeIndex shape = 0;
  std::int16_t max_retries = 3;
  bool retry_exceptions = false;
  std::uint32_t ref_mask = 0;
  Value arguments;
  std::vector<Entry*> references;  // held by submit itself
  std::vector<Entry*> contained;   // one hold of each passes to the owner
  std::string name;
  std::chrono::nanoseconds limit{};            // see EntryExtra
  std::optional<std::uint32_t> stream_buffer;  // of a generator: how far it may be ahead
};

struct NewActor {
  NewTask constructor;  // shape and retries do not count
  sched::ResourceSet request;
  sched::Where where;
  ActorLimits limits;
  std::string name;        // under which others find it; empty: none
  bool held_back = false;  // start_actor() follows, or the handle is dropped
};

// How one attempt of a task ended.
struct Outcome {
  Value value;                             // or error
  bool user_exception = false;             // error comes from user code (retry_exceptions applies)
  std::vector<detail::WireRef> contained;  // references inside the value; already lent to this process
  std::vector<Entry*> held;                // the same, already entries of this process; one hold of each passes over
  std::vector<detail::WireRef> kept;       // references from the arguments that the worker's process still holds
  std::optional<std::uint64_t> items;      // of a generator: how many it has made
};

struct Lease {
  LeaseId id;
  ClientId worker;
  ShapeIndex shape = 0;
  WorkerLink* link = nullptr;
  std::uint32_t in_flight = 0;
  bool blocked = false;   // its running task waits in get: nothing is pushed
  bool yielding = false;  // asked back: ends with its running task
  bool full = false;      // the ring had no room; until a task of it ends or the next tick
  std::uint32_t idle_ticks = 0;
  std::uint64_t finished = 0;
  std::uint64_t finished_at_tick = 0;
};

struct OwnerConfig {
  std::uint32_t max_in_flight = 1024;   // tasks in one ring
  std::uint32_t max_leases = 1024;      // wanted per shape
  std::uint32_t idle_ticks = 20;        // a lease without work is returned at the idle_ticks-th tick
  std::uint32_t pressed_ticks = 1'000;  // how long pressed() has an effect
  std::uint32_t force_ticks = 200;      // for a worker to end by itself, before it is killed by its node
  std::chrono::nanoseconds limit_grace = std::chrono::seconds(1);  // for a task over its time limit to end
  std::uint32_t restore_ticks = 10'000;     // what needs a spilled value fails after so many milliseconds without room
  detail::RestartBackoff::Limits restarts;  // of actors
  bool has_standby = true;                  // false: it has no standby owner
  std::string (*function_name)(detail::FunctionId) = nullptr;  // for error messages
};

class Owner {
 public:
  Owner(ClientId self, OwnerConfig config, OwnerEffects& effects);
  ~Owner();

  ClientId self() const { return self_; }

  // --- From the program. Returned entries carry one reference for the caller.
  ShapeIndex shape_of(const sched::ResourceSet& request, const sched::Where& where = {});
  sched::Where where_of(DemandIndex index) const;
  const sched::ResourceSet& request_of(ShapeIndex shape) const { return shapes_[shape]->request; }
  Entry* submit(NewTask task);
  Entry* put(ObjectId id, Value value, std::vector<Entry*> contained);
  // An actor of this process; its handle. The actor lives until its last handle is gone, in any process.
  Entry* create_actor(NewActor actor);
  void start_actor(Entry& handle);
  // Calls a method: owned or borrowed actor, dead or alive. shape and retries of the task do not count.
  Entry* call(Entry& handle, NewTask task);
  // Another handle of an actor of this process, whose name was found; null: it ends, or has ended.
  Entry* adopt_actor(const ObjectId& actor);
  // Ends its process at once. restart: as if it had died by itself.
  void kill_actor(Entry& handle, bool restart);
  // A reference found in a value. `lent`: the owner of the object has us in its books for it (results, fetched values);
  // false for references inside arguments, which the submitter covers until our reply.
  Entry* import(const detail::WireRef& ref, bool lent);
  detail::WireRef export_ref(Entry& entry);
  // refs of the entry fell to 0 (see OWN-7).
  void release_last(Entry& entry);
  // A thread, a coroutine or a borrower waits for it: a borrowed one is fetched, an unstarted one goes to the front.
  void want(Entry& entry);
  // Takes a task that has not started, and whose arguments are there, away to run it in the caller.
  bool claim(Entry& entry);
  // Ends the task that makes the entry, if it is not done: by OWN-14, at its owner. Nothing is waited for. Nothing
  // happens to what is resolved. invalid_argument: force, and it is a call of an actor; or it is an actor.
  [[nodiscard]] Result<void> cancel(Entry& entry, const Cancellation& how);
  // The first `count` tasks and calls that the task, which runs in this process, has submitted.
  void cancel_children(const TaskId& parent, std::uint64_t count, const Cancellation& how);

  // --- Streams, which are entries of tasks with a stream_buffer (see owner/stream.h).
  enum class Taken : std::uint8_t { item, ended, open };
  Taken take_item(Entry& stream, IncomingStream::Item& item);
  // The item that was taken last, as an object, with its one reference.
  Entry* item_object(Entry& stream, IncomingStream::Item item);
  // It is not read any more; the task runs to its next item at most.
  void drop_stream(Entry& stream);

  // --- From the edge.
  void lease_granted(LeaseId lease, ClientId worker, ShapeIndex shape, WorkerLink& link);
  void actor_granted(DemandIndex index, LeaseId lease, ClientId worker, WorkerLink& link);
  void link_opened(ClientId worker, WorkerLink& link);
  // A task that was pushed or claimed has ended. Its in_flight place is free again.
  void finished(Entry& entry, Outcome outcome);
  void set_blocked(LeaseId lease, bool blocked);
  // The worker is gone or the lease revoked. Finished tasks were reported before. status: why, for people.
  void lease_ended(LeaseId lease, const std::string& status);
  void infeasible(DemandIndex index, const std::string& why);
  // node: whose leases; none: any.
  void ask_back(DemandIndex index, std::uint32_t count, NodeId node = {});
  // A pushed task has not started and comes back; a link that cannot take back at once says so later.
  void came_back(Entry& entry);
  void client_died(ClientId client, const std::string& status);
  // It is dead, as others know: what it owned is the standby owner's. client_died() may follow.
  void fail_over(ClientId owner);
  // All processes of the node, also those whose birth was never announced: an owner may have lent to them already.
  void node_died(NodeId node, const std::string& status);
  void receive(ClientId from, const PeerMessage& message);
  // No lease can ever be had again (the node is gone): fails whatever is not resolved.
  void fail_all(const Error& error);
  // Call every millisecond or so while busy() is true. Idle leases, and demand that is not needed, are given up after
  // idle_ticks calls; at once if `others_wait`: a client of the node wants a lease and has none.
  // milliseconds: since the last call; limits of time hold however long a call takes.
  void tick(bool others_wait, std::uint32_t milliseconds = 1);
  bool busy() const;
  std::uint64_t unfinished() const { return unfinished_; }
  // Actors whose worker has yet to run the destructor.
  bool actors_are_ending() const;

  // Before a value is sent to another process: tells the owners of the references inside.
  void export_contained(const std::vector<Entry*>& contained, ClientId to);
  // The same, and their names for the receiver, which must hear of the loan before of anything that happens later.
  std::vector<detail::WireRef> export_to(const std::vector<Entry*>& entries, ClientId to);
  // One reference that this process holds goes to `to` for good (a worker's reply says that it kept one).
  void lend(Entry& entry, ClientId to);
  // Of these entries, imported from a task's arguments, those still held: the reply must name them.
  std::vector<detail::WireRef> kept_after_task(const std::vector<Entry*>& imported);

  // --- Spilling. The edge does the I/O.
  // Entries whose values can be spilled (OWN-9), used longest ago first, until they have so many bytes together; all
  // there are if they have less. is_read: whether this process has a view of the block.
  std::vector<Entry*> spillable(std::uint64_t bytes, const std::function<bool(const StoredLocation&)>& is_read) const;
  // The store is full, and not enough can be spilled: tasks with stored arguments that were not started come back from
  // the rings, so that their arguments can be, and for a while only idle workers are given such tasks.
  void pressed();
  // The value's bytes lie in the extent now: frees the block.
  void spilled(Entry& entry, const SpilledExtent& extent);
  // They lie in a block again: frees the extent.
  void restored(Entry& entry, const StoredLocation& location);
  // They cannot be read back.
  void unreadable(Entry& entry, Error error);
  // The value is being read: it is spilled later than others.
  void used(Entry& entry) {
    if (entry.owned && entry.phase == Phase::resolved) entry.position = ++uses_;
  }

  // --- Of a standby owner, before and at its owner's death.
  void store_replica(ClientId owner, Replica replica);
  void drop_replica(const ObjectId& object);
  // What was not bequeathed is lost; from now on it is received from others.
  void begin_failover(ClientId owner, const std::string& status);
  // All borrowers have registered: objects without a borrower are freed.
  void settle_failover();

  // --- What is wanted and not had (see owner/unmet.h); looks at all shapes and actors.
  std::vector<Unmet> unmet() const;
  // Of what waits under the demand, the first.
  std::string label_of(DemandIndex index) const;
  // What keeps an entry from being resolved, as far as this process knows: a demand that is not met, or `what`.
  struct Obstacle {
    std::string label;
    std::string what;
    std::optional<DemandIndex> demand;
    std::uint64_t space_bytes = 0;  // as Unmet's
  };
  Obstacle obstacle(const Entry& entry) const;

  // What messages call it, whole, instead of "actor CLASS" or "task NAME".
  void set_label(Entry& entry, std::string label) { entry.more().label = std::move(label); }
  // Of all entries there are now: effects().unread_failure. Each is reported once.
  void report_unread();

  Lease* find_lease(LeaseId id);
  const EntryTable& table() const { return table_; }
  // First broken invariant, or "". For tests and the simulator.
  std::string check_invariants() const;

 private:
  struct Shape {
    sched::ResourceSet request;
    sched::Where where;
    TaskQueue queue;
    std::uint32_t wanted = 0;     // as last told to the node
    std::uint64_t started = 0;    // tasks that went into a ring, or were claimed; and leases granted
    std::uint32_t low_ticks = 0;  // ticks for which less was needed than wanted
    bool starved = false;         // no room for arguments that were spilled, until the next tick
    std::uint32_t starved_ticks = 0;
    std::vector<Lease*> leases;
  };

  // owner.cc
  Entry* launch(NewTask task, Kind kind, Actor* actor);
  void ready(Entry& entry);
  static bool lost_argument(const Entry& task, const Outcome& outcome);
  static Entry* find_argument(const Entry& task, const ObjectId& id);
  void resolve(Entry& entry, Value value);
  void fail(Entry& entry, const Error& error);
  void attempt_lost(Entry& entry, const std::string& status);
  void hold(Entry& entry);
  void unhold(Entry& entry);
  void drop_holds(std::vector<Entry*>& held);
  void free_entry(Entry& entry);
  void free_value(Value& value);
  void count_stored(const Value& value, int change);  // OWN-8
  void count_open(const Entry& entry, int change);
  std::string name_of(const Entry& entry) const;
  std::string label_of(const Entry& entry) const;  // "task NAME", or its own
  void report_if_unread(Entry& entry);
  // dispatch.cc
  TaskQueue& queue_of(const Entry& entry);
  void link(Entry& entry, bool front);
  void enqueue(Entry& entry, bool front);
  void unlink(Entry& entry);
  void dispatch(Shape& shape);
  Lease* pick(Shape& shape);
  void rebalance(Shape& shape);
  void take_all_back(Lease& lease);
  std::uint64_t needed(const Shape& shape) const;
  void update_demand(ShapeIndex index, bool at_tick = false);
  void after_finish(Lease& lease);
  void drop_lease(Lease& lease, bool give_back);
  // lineage.cc
  bool keep_lineage(Entry& entry, const Value& result);
  void drop_lineage(Entry& entry);
  void lose_values(NodeId node, const std::string& status);
  void lose_value(Entry& entry, const std::string& status);
  bool rebuild(Entry& entry);
  bool await_references(Entry& task);
  // cancelling.cc
  static bool cancelled(const Entry& entry) { return entry.extra && entry.extra->cancelled; }
  Error cancelled_error(const Entry& entry, const std::string& state) const;
  void end_cancelled(Entry& entry, Outcome& outcome);
  void stop_pushed(Entry& entry);
  void taken_out(Entry& entry);
  void tick_forced();
  void drop_forced();
  // limiting.cc
  void tick_limits();
  void passed_limit(Entry& entry, TimeLimits::Passed passed);
  void leave_behind(Entry& call);
  Error limit_error(const Entry& entry, const std::string& state) const;
  // actors.cc
  Actor& known_actor(Entry& handle);
  Actor* find_actor(DemandIndex index);
  void demand_worker(Actor& actor);
  void withdraw(Actor& actor);
  void start_if_due(Actor& actor);
  void construct(Actor& actor);
  void give_back_worker(Actor& actor);
  void constructed(Entry& handle, Outcome outcome);
  void dispatch(Actor& actor);
  void close_call(Actor& actor);
  void handle_gone(Actor& actor);
  void end_worker(Actor& actor);
  void actor_lost(Actor& actor, const std::string& status);
  void restart(Actor& actor, const std::string& status, bool never_made, bool constructing, bool asked_for);
  void actor_dead(Actor& actor, const Error& error);
  void lose_actors(const std::function<bool(ClientId)>& gone, const std::string& status);
  void tell(const Actor& actor, ClientId subscriber);
  void tell_all(const Actor& actor);
  void located(Entry& handle, const ActorAt& at);
  Error lost_call(const Entry& call, const Actor& actor, const std::string& status) const;
  std::string check_actors() const;
  // spilling.cc
  enum class Arguments : std::uint8_t { present, no_space, awaited, task_failed };
  Arguments restore_arguments(Entry& task);
  static bool has_stored_arguments(const Entry& task);
  void tick_spilled(std::uint32_t ticks);
  // borrowing.cc
  void make_findable(Entry& entry);
  void add_borrower(Entry& entry, ClientId client, std::int64_t count);
  void answer(Entry& entry, ClientId subscriber);
  bool is_dead(ClientId client) const;
  void bury(const std::function<bool(ClientId)>& gone, const std::string& status, bool standbys);
  static Error lost_with_owner(const Entry& entry, const std::string& status);
  void announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by);
  void orphaned(const ObjectId& object, ClientId standby);
  // streaming.cc
  void open_stream(Entry& task, std::uint32_t buffer);
  void update_ready(Entry& task);
  Entry* make_item(ObjectId id, Value value, std::vector<Entry*> contained);
  void grant_credit(Entry& task);
  void receive_items(ClientId from, const StreamItems& items);
  // inheriting.cc
  void leave(Entry& first);
  void revoke(Entry& entry);
  void send_replicas();
  void flush_withdrawals();
  void register_with_standby(Entry& entry);
  Entry& replica_of(const ObjectId& object);

  ClientId self_;
  OwnerConfig config_;
  OwnerEffects& effects_;
  EntryTable table_;
  std::vector<std::unique_ptr<Shape>> shapes_;
  std::map<LeaseId, std::unique_ptr<Lease>> leases_;
  std::map<ClientId, std::string> dead_;  // and how they died; looked up, never walked
  std::set<ClientId> failed_over_;  // owners that are dead, whose standby owners we deal with; looked up, never walked
  std::set<NodeId> dead_nodes_;     // looked up, never walked
  std::map<ClientId, std::uint64_t> stored_in_;  // values of resolved entries by arena, our own excepted; never walked
  std::uint64_t unfinished_ = 0;
  std::map<DemandIndex, std::unique_ptr<Actor>> actors_;
  DemandIndex next_actor_ = kFirstActor;
  std::vector<Replica> replicas_;      // for the standby owner, when batching_ ends
  std::vector<ObjectId> withdrawals_;  // the same, in no hurry
  std::uint32_t batching_ = 0;
  std::uint32_t uses_ = 0;
  std::uint32_t pressed_ticks_ = 0;  // that are left
  struct Unanswered {
    Entry* entry;  // held
    ClientId subscriber;
    std::uint32_t ticks = 0;
  };
  struct Forced {  // was told to end with its worker
    Entry* entry;  // held
    LeaseId lease;
    std::uint32_t ticks = 0;
  };
  std::vector<Forced> forced_;
  TimeLimits limits_;
  std::vector<Unanswered> unanswered_;  // fetched while spilled, and there was no room
  // Work lists instead of recursion: chains of results and of nested values may be long.
  std::vector<Entry*> to_propagate_;
  bool propagating_ = false;
  std::vector<Entry*> to_free_;
  bool freeing_ = false;
};

}  // namespace manta::owner
