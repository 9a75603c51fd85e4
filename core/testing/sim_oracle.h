// The Oracle: a second, naive model of the whole cluster, which checks what the processes under test do.
//
// The processes report what they did; the Oracle says whether that was right. It allows what production cannot avoid: a
// reference is "unsure" in a process if its owner may not know that this process holds it (the process that had to tell
// it died first), and an object may stay for ever ("tolerated") if a message about it was lost with a machine.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "core/owner/actor.h"
#include "core/owner/messages.h"
#include "core/testing/sim_trace.h"
#include "core/testing/sim_value.h"

namespace manta::sim {

// An object in the cluster: ids repeat where a task is repeated by another process.
struct ObjectKey {
  ClientId owner;
  ObjectId id;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};
// Which object a process means. In its owner it has a number: a repeated task's children have the same ids as before
// until other processes hear of them.
struct ObjectName {
  ObjectName(ObjectKey of_others) : key(of_others) {}
  ObjectName(ObjectKey own, std::uint64_t known) : key(own), number(known) {}
  ObjectKey key;
  std::uint64_t number = 0;  // 0: found by its key
};
inline ClientId original(ClientId owner) { return owner::is_standby(owner) ? owner::primary_of(owner) : owner; }
inline ObjectKey key_of(const detail::WireRef& ref) { return {original(ref.owner), ref.object}; }

// Threading: none. Ownership: trace and store outlive it; entries are only looked at while their process lives.
class Oracle {
 public:
  Oracle(Trace& trace, const SimStore& store) : trace_(trace), store_(store) {}

  // The first broken rule; later ones are consequences.
  void fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }
  const std::string& failure() const { return failure_; }
  bool failed() const { return !failure_.empty(); }

  // --- processes
  void born(ClientId client) { alive_.insert(client); }
  void died(ClientId client);
  bool alive(ClientId client) const { return alive_.contains(client); }
  // From here on the machine's processes count as unreachable, whether they know it or not.
  void cut_off(NodeId node) { cut_off_.insert(node); }
  bool is_cut_off(NodeId node) const { return cut_off_.contains(node); }
  bool reachable(ClientId client) const;
  // The process is being killed: what it holds and the messages to it no longer count.
  void doom(ClientId client);

  // --- objects and tasks. Numbers of tasks and puts are one series, from 1; runs another.
  std::uint64_t submitted(ObjectKey key, int max_retries, bool retry_exceptions);
  std::uint64_t put(ObjectKey key, std::vector<ObjectKey> contained);
  void made(std::uint64_t object, const owner::Entry* entry) { records_[object - 1].entry = entry; }
  // Others may hear of it from now on, under this id (a namesake may have had its first one).
  void named(std::uint64_t object, ObjectId id);
  // wanted: its submitter lives, so it is the only attempt.
  std::uint64_t started(std::uint64_t task, ClientId worker, bool wanted);
  void returned(std::uint64_t run, std::vector<ObjectKey> contained);
  void threw(std::uint64_t run);
  // In which run; 0: a driver's main.
  void submitted_by(std::uint64_t object, std::uint64_t run) {
    records_[object - 1].parent = run == 0 ? 0 : runs_[run - 1].task;
  }
  // Its owner has heard that it is to end.
  void cancelled(const ObjectName& name, bool recursive);
  std::uint64_t cancels() const { return cancels_; }  // that ended a task or a call
  // The owner resolved its task. `excused`: whether an error of this code that no run explains is right
  // (infeasible shape, failed argument, node gone).
  void resolved(std::uint64_t task, const owner::Entry& entry, bool excused);
  bool is_resolved(std::uint64_t task) const { return records_[task - 1].state != State::open; }
  // A process reads the object.
  void got(ClientId reader, const ObjectName& name, const owner::Value& value);

  // --- actors, numbered as objects. Calls are tasks, and so are constructors as far as they run.
  std::uint64_t created(ObjectKey key, const owner::ActorLimits& limits, bool has_references);
  std::uint64_t called(ObjectKey key, const ObjectName& actor);
  bool is_actor(const ObjectName& name) const;
  void constructed(std::uint64_t actor, bool threw);
  void ended(std::uint64_t actor) { actors_.at(actor).ended = true; }  // its last handle is said to be gone
  void killed(const ObjectName& actor);
  // Whether the actor has to end, given that no process holds a handle any more.
  bool must_end(std::uint64_t actor) const;
  bool unsure_of_actor(ClientId caller, std::uint64_t actor) const {
    return unsure(caller, records_[actor - 1].key.id);
  }
  // Some actor of it cannot be made at all.
  void refused(ClientId owner) { refused_.insert(owner); }

  // No process can wait for the object: it is resolved or its owner is dead, and so are all objects inside it.
  bool settled(const ObjectName& name) const { return settled(name, 0); }
  // A living process can reach the object: its owner must have it, and all inside it.
  void check_reachable(ClientId holder, const ObjectName& name);
  void next_sweep() { ++sweep_; }

  // Its owner died, and has a standby owner that knows the value.
  void adopted(ObjectKey key) { adopted_.insert(key); }
  std::uint64_t adoptions_read() const { return adoptions_read_; }  // values, after their owner's death

  // --- allowances
  void make_unsure(ClientId holder, ObjectId object) { unsure_.insert({holder, object}); }
  void make_sure(ClientId holder, ObjectId object) { unsure_.erase({holder, object}); }
  bool unsure(ClientId holder, ObjectId object) const {
    return unsure_.contains({holder, object}) || doomed_.contains(holder);
  }
  void tolerate_leak(ObjectKey key) { tolerated_.insert(key); }
  bool tolerates_leak(const ObjectKey& key) const { return tolerated_.contains(key); }
  // With everything inside the tolerated ones.
  std::set<ObjectKey> tolerated_leaks() const;
  bool tolerates_leaks() const { return !tolerated_.empty(); }

  std::uint64_t tasks() const { return tasks_; }
  std::uint64_t calls() const { return calls_; }  // that returned a value
  std::uint64_t runs() const { return runs_.size(); }

 private:
  enum class State : std::uint8_t { open, value, error };
  enum class RunState : std::uint8_t { running, returned, threw };
  struct Record {
    ObjectKey key;
    ObjectId first_id;  // before it was renamed
    const owner::Entry* entry = nullptr;
    bool task = false;
    int max_retries = 0;
    bool retry_exceptions = false;
    std::uint32_t starts = 0;
    std::uint64_t last_run = 0;
    State state = State::open;
    ErrorCode code = ErrorCode::internal;
    std::uint64_t value_run = 0;
    std::uint64_t seen_in_sweep = 0;
    std::uint64_t parent = 0;  // the task that submitted it
    bool cancelled = false;
    bool cancels_children = false;
    bool is_actor = false;
    std::uint64_t actor = 0;  // whose method it is
    std::vector<ObjectKey> contained;
  };
  struct Run {
    std::uint64_t task = 0;
    ClientId worker;
    RunState state = RunState::running;
    std::vector<ObjectKey> contained;
  };
  struct ActorLife {
    ClientId host;  // where it was constructed last
    bool has_references = false;
    std::int32_t max_task_retries = 0;
    std::uint32_t deaths = 0;  // of hosts
    bool threw = false;
    bool killed = false;
    bool ended = false;
    std::map<ClientId, std::vector<std::uint64_t>> calls;  // by caller, in order
  };
  struct KeyHash {
    std::size_t operator()(const ObjectKey& k) const { return k.id.low ^ detail::mix64(k.owner.value); }
  };
  struct HoldHash {
    std::size_t operator()(const std::pair<ClientId, ObjectId>& k) const {
      return k.second.low ^ detail::mix64(k.first.value);
    }
  };
  Record& new_record(ObjectKey key);
  bool cancel_explains(const Record& record) const;
  Record* find(const ObjectName& name);
  const Record* find(const ObjectName& name) const;
  bool settled(const ObjectName& name, int depth) const;
  bool inherited(const ObjectKey& key) const;
  bool error_explained(ClientId reader, const ObjectName& name, ErrorCode code) const;
  void check_value(const Record& record, const owner::Value& value, ClientId reader);
  void check_actor_start(const Record& actor, ActorLife& life, ClientId worker);
  void check_call_start(std::uint64_t call, ClientId worker);
  void check_call_error(const Record& call, ErrorCode code);
  void check_task_error(const Record& record, ErrorCode code, bool excused);
  std::string describe(const Record& record) const;

  Trace& trace_;
  const SimStore& store_;
  std::string failure_;
  std::set<ClientId> alive_;
  std::set<ClientId> doomed_;
  std::set<ClientId> refused_;
  std::set<NodeId> cut_off_;
  std::vector<Record> records_;
  std::vector<Run> runs_;
  std::map<std::uint64_t, ActorLife> actors_;
  boost::unordered_flat_map<ObjectKey, std::uint64_t, KeyHash> by_key_;  // looked up, never walked
  boost::unordered_flat_set<std::pair<ClientId, ObjectId>, HoldHash> unsure_;
  std::set<ObjectKey> tolerated_;
  std::set<ObjectKey> adopted_;
  std::uint64_t adoptions_read_ = 0;
  std::uint64_t sweep_ = 1;
  std::uint64_t tasks_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t cancels_ = 0;
};

}  // namespace manta::sim
