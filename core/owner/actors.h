// Actors: made on a worker of their own, started again, ended with their last handle.
//
// Threading: none of its own (the owner's lock). Ownership: owns what it knows of each actor; all references must
// outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/owner/actor.h"
#include "core/owner/actor_calls.h"
#include "core/owner/actor_places.h"
#include "core/owner/labels.h"
#include "core/owner/objects.h"
#include "core/owner/task_types.h"
#include "core/owner/unmet.h"

namespace manta::owner {

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

class ActorEffects : public ActorCallEffects, public ActorPlaceEffects {
 public:
  virtual void set_demand(DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) = 0;
  virtual void return_lease(LeaseId lease) = 0;
  // Ends the process of an actor's lease, which is given up with it.
  virtual void kill_worker(LeaseId lease) = 0;
  // The link to a worker that hosts an actor; null: not there yet, link_opened() follows unless the worker dies.
  virtual WorkerLink* link_to(ClientId worker) = 0;
  // The actor is dead or ends: others may have its name.
  virtual void drop_name(const std::string& name, const ObjectId& actor) = 0;
  void send(ClientId to, PeerMessage message) override = 0;
  // The process of an actor has ended, and another one is made after `delay`.
  virtual void restarts(const Restart& restart) = 0;
  // Of a clock that never goes back.
  virtual std::chrono::nanoseconds now() const = 0;
};

// What Actors needs of the other parts.
class ActorContext : public ActorCallContext {
 public:
  // The two halves of Tasks::submit.
  virtual Entry& make(NewTask& task, Kind kind, Actor* actor) = 0;
  virtual Entry& begin(Entry& entry, NewTask& task) = 0;
  virtual void announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by) = 0;
  virtual Error no_space(const std::string& what) = 0;
};

class Actors {
 public:
  struct Limits {
    std::uint32_t restore_ticks;  // a call whose arguments find no space fails after so many milliseconds
    detail::RestartBackoff::Limits restarts;
  };

  Actors(Objects& objects, const Deaths& deaths, const Labels& labels, const Limits& limits, ActorEffects& effects,
         ActorContext& context)
      : objects_(objects),
        deaths_(deaths),
        labels_(labels),
        limits_(limits),
        effects_(effects),
        context_(context),
        calls_(objects, labels, effects, context),
        places_(effects) {}

  // --- from the program
  // An actor of this process; its handle. The actor lives until its last handle is gone, in any process.
  Entry* create(NewActor actor);
  void start(Entry& handle);
  // Calls a method: owned or borrowed actor, dead or alive. shape and retries of the task do not count.
  Entry* call(Entry& handle, NewTask task);
  // Another handle of an actor of this process, whose name was found; null: it ends, or has ended.
  Entry* adopt(const ObjectId& actor);
  // Ends its process at once. restart: as if it had died by itself.
  void kill(Entry& handle, bool restart);

  // --- from the edge
  void granted(DemandIndex index, LeaseId lease, ClientId worker, WorkerLink& link);
  void infeasible(DemandIndex index, const std::string& why);
  void link_opened(ClientId worker, WorkerLink& link);
  // False: it is no actor's lease. Finished calls were reported before.
  bool lease_ended(LeaseId lease, const std::string& status);
  // The constructor has ended.
  void constructed(Entry& handle, Outcome outcome);

  // --- from other parts
  // The arguments of a call, or of a constructor, are there.
  void ready(Entry& entry);
  ActorCalls& calls() { return calls_; }
  // The actor has ended for good.
  void end(Actor& actor, const Error& error);
  // The last handle is gone.
  void handle_gone(Actor& actor);
  // Actors that were in, or belonged to, processes that are gone.
  void drop_dead(const std::function<bool(ClientId)>& gone, const std::string& status);
  // Forgets all workers. Returns the handles whose constructors ran, each with a hold for the caller.
  std::vector<Entry*> drop_workers();

  // --- messages
  // False: no actor of this process has this id.
  bool locate(ClientId from, const ObjectId& actor);
  void located(ClientId from, const ActorAt& at);
  void gone(ClientId from, const ActorGone& gone);

  void tick(std::uint32_t milliseconds);
  bool busy() const;
  // Actors whose worker has yet to run the destructor.
  bool ending() const;
  void running(std::vector<Entry*>& entries) const;
  sched::Where where_of(DemandIndex index) const;

  // --- what waits
  void unmet(std::vector<Unmet>& all) const;
  std::string label_of(DemandIndex index) const;
  // First broken invariant, or "".
  std::string check_invariants() const;

 private:
  Actor& known(Entry& handle);
  Actor* find(DemandIndex index) const;
  void demand_worker(Actor& actor);
  void withdraw(Actor& actor);
  void construct(Actor& actor);
  void give_back_worker(Actor& actor);
  static void end_worker(Actor& actor);
  void process_lost(Actor& actor, const std::string& status);
  void restart(Actor& actor, const std::string& status, bool never_made, bool constructing, bool asked_for);
  void place(Entry& handle, const ActorAt& at);
  void tick_starved(std::uint32_t milliseconds);
  void tick(Actor& actor);

  Objects& objects_;
  const Deaths& deaths_;
  const Labels& labels_;
  Limits limits_;
  ActorEffects& effects_;
  ActorContext& context_;
  ActorCalls calls_;
  ActorPlaces places_;
  std::map<DemandIndex, std::unique_ptr<Actor>> actors_;
  DemandIndex next_ = kFirstActor;
};

}  // namespace manta::owner
