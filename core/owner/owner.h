// Everything a process knows about the objects it owns or borrows and the tasks it submitted. Sans-I/O.
//
// As in "Ownership" (Wang et al., NSDI '21): the submitter of a task owns its result: value, references, retries.
// Each part has a header with its rules and its effects: objects.h (references and values), borrowing.h (other
// processes), replication.h (the standby owner), tasks.h (from submission to result), leases.h (what runs where),
// actors.h, streams.h, cancelling.h, spilling.h. Parts know each other only by the interfaces in those headers; Owner
// wires them, and does what concerns several of them.
//
// Threading: none of its own; the edge's one lock covers every call, Ref counts excepted. Ownership: owns its parts;
// effects and links must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/owner/actors.h"
#include "core/owner/borrowing.h"
#include "core/owner/cancelling.h"
#include "core/owner/failures.h"
#include "core/owner/leases.h"
#include "core/owner/objects.h"
#include "core/owner/replication.h"
#include "core/owner/spilling.h"
#include "core/owner/streams.h"
#include "core/owner/tasks.h"

namespace manta::owner {

// All that the parts ask of the edge.
class OwnerEffects : public BlockEffects,
                     public BorrowingEffects,
                     public ReplicationEffects,
                     public TaskEffects,
                     public LeaseEffects,
                     public ActorEffects,
                     public StreamEffects,
                     public CancelEffects,
                     public SpillEffects,
                     public FailureEffects {
 public:
  // Of several parts; named once here, so that calls through this class are not ambiguous.
  void send(ClientId to, PeerMessage message) override = 0;
  // A watched entry was resolved.
  void resolved(Entry& entry) override = 0;
};

struct OwnerConfig {
  std::uint32_t max_in_flight = 1024;   // tasks in one ring
  std::uint32_t max_leases = 1024;      // wanted per shape
  std::uint32_t idle_ticks = 20;        // a lease without work is returned at the idle_ticks-th tick
  std::uint32_t pressed_ticks = 1'000;  // how long Leases::pressed() has an effect
  std::uint32_t force_ticks = 200;      // for a worker to end by itself, before its node kills it
  std::chrono::nanoseconds limit_grace = std::chrono::seconds(1);  // for a task over its time limit to end
  std::uint32_t restore_ticks = 10'000;     // what needs a spilled value fails after so many milliseconds without space
  detail::RestartBackoff::Limits restarts;  // of actors
  Labels::FunctionName function_name = nullptr;  // for error messages
};

class Owner {
 public:
  Owner(ClientId self, const OwnerConfig& config, OwnerEffects& effects);
  ~Owner();

  ClientId self() const { return objects_.self(); }
  Objects& objects() { return objects_; }
  const Objects& objects() const { return objects_; }
  Borrowing& borrowing() { return borrowing_; }
  Tasks& tasks() { return tasks_; }
  const Tasks& tasks() const { return tasks_; }
  Leases& leases() { return leases_; }
  Actors& actors() { return actors_; }
  Streams& streams() { return streams_; }
  Cancelling& cancelling() { return cancelling_; }
  Spilling& spilling() { return spilling_; }
  Failures& failures() { return failures_; }

  // A task, a call or a constructor that was pushed or claimed has ended. Its in_flight place is free again.
  void finished(Entry& entry, Outcome outcome) {
    if (entry.kind == Kind::actor) return actors_.constructed(entry, std::move(outcome));
    tasks_.finished(entry, std::move(outcome));
  }
  // The worker is gone or the lease revoked. Finished tasks were reported before. status: why, for people.
  void lease_ended(LeaseId lease, const std::string& status);
  // The node refuses the demand.
  void infeasible(DemandIndex index, const std::string& why);
  sched::Where where_of(DemandIndex index) const;
  void receive(ClientId from, const PeerMessage& message);
  void client_died(ClientId client, const std::string& status);
  // All processes of the node, also those whose birth was never announced: an owner may have given them references.
  void node_died(NodeId node, const std::string& status);
  // No lease can ever be had again (the node is gone): fails whatever is not resolved.
  void fail_all(const Error& error);
  // Call every millisecond or so while busy() is true. Idle leases, and demand that is not needed, are given up after
  // idle_ticks calls; at once if `others_wait`: a client of the node wants a lease and has none.
  // milliseconds: since the last call; limits of time hold however long a call takes.
  void tick(bool others_wait, std::uint32_t milliseconds = 1);
  bool busy() const;

  // What is wanted and not there (see owner/unmet.h); looks at all shapes and actors.
  std::vector<Unmet> unmet() const;
  // Of what waits under the demand, the first.
  std::string label_of(DemandIndex index) const;
  Obstacle obstacle(const Entry& entry) const;
  // First broken invariant, or "". For tests and the simulator.
  std::string check_invariants() const;

 private:
  // What the parts ask of each other.
  struct Wiring;

  std::unique_ptr<Wiring> wiring_;
  Deaths deaths_;
  Labels labels_;
  Objects objects_;
  Replication replication_;
  Borrowing borrowing_;
  Tasks tasks_;
  Leases leases_;
  Actors actors_;
  Streams streams_;
  Cancelling cancelling_;
  Spilling spilling_;
  Failures failures_;
};

}  // namespace manta::owner
