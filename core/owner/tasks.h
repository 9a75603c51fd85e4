// The life of tasks and calls, from the submission to the result, wherever they run.
//
//   OWN-1  every submitted task resolves exactly once, whatever dies
//   OWN-2  only an attempt that had started counts against max_retries
//   OWN-11  a stored result on another node that dies is made again by its task, with the arguments that it had, when
//           it is wanted and as often as max_retries allows; its borrowers ask for it again
//
// Threading: none of its own (the owner's lock). Ownership: all references must outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/owner/labels.h"
#include "core/owner/lineage.h"
#include "core/owner/objects.h"
#include "core/owner/task_types.h"

namespace manta::owner {

class TaskEffects {
 public:
  virtual ~TaskEffects() = default;
  virtual void send(ClientId to, PeerMessage message) = 0;
  // A task, a call or an actor is tried once more, or the task of a result that was lost.
  virtual void tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) = 0;
};

// What Tasks needs of the other parts: those that run tasks (leases), calls and constructors (actors), and borrowing.
class TaskContext {
 public:
  virtual ~TaskContext() = default;
  // The arguments are there: the entry may run.
  virtual void ready(Entry& entry) = 0;
  // A task moves to the front of its queue.
  virtual void promote(Entry& task) = 0;
  // A task is to run once more, before others.
  virtual void again(Entry& task) = 0;
  // The entry fails while it is queued.
  virtual void unlink(Entry& entry) = 0;
  virtual void fail_actor(Actor& actor, const Error& error) = 0;
  // A task of the lease has ended.
  virtual void task_ended(Lease& lease) = 0;
  // A call of the actor was resolved. may_push: so others may go into the ring. May free the actor.
  virtual void call_ended(Actor& actor, bool may_push) = 0;
  virtual Entry* import(const detail::WireRef& ref, bool counted) = 0;
  virtual void add_borrower(Entry& entry, ClientId client, std::int64_t count) = 0;
  virtual void announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by) = 0;
};

class Tasks {
 public:
  Tasks(Objects& objects, const Deaths& deaths, const Labels& labels, TaskEffects& effects, TaskContext& context)
      : objects_(objects), deaths_(deaths), labels_(labels), effects_(effects), context_(context), lineage_(objects) {}

  // With one reference for the caller.
  Entry* submit(NewTask task) { return &begin(make(task, Kind::task, nullptr), task); }
  // The two halves of submit, for calls and constructors: the entry, and its arguments.
  Entry& make(NewTask& task, Kind kind, Actor* actor);
  Entry& begin(Entry& entry, NewTask& task);

  // A thread, a coroutine or a borrower waits for the entry: a borrowed one is fetched, an unstarted one goes to the
  // front, a lost one is made again.
  void want(Entry& entry);
  // A task or call that was pushed or claimed has ended. Its in_flight place is free again.
  void finished(Entry& entry, Outcome outcome);
  // Resolves the entry, of any kind, with an error.
  void fail(Entry& entry, const Error& error);
  // The worker died while it ran the task. True: it is to be queued once more; false: it has failed.
  bool attempt_lost(Entry& task, const std::string& status);
  // Enters the task, which is in no queue, with each of its references that is not there. True: there is one.
  bool await_references(Entry& task);
  // `rest` has the place of `call`, whose result is decided.
  void replaced(const Entry& call, const Entry& rest) {
    count_open(call, -1);
    count_open(rest, 1);
  }
  // An entry goes: what was kept to make it again is freed.
  void drop_lineage(Entry& entry) { lineage_.drop(entry); }

  std::uint64_t unfinished() const { return unfinished_; }
  // How many of them have a time limit.
  std::uint64_t limited() const { return limited_; }

 private:
  static bool lost_argument(const Entry& task, const Outcome& outcome);
  void end_cancelled(Entry& entry, Outcome& outcome);
  void take_value(Entry& entry, Outcome& outcome, std::vector<Entry*> inside);
  bool rebuild(Entry& entry);
  void count_open(const Entry& entry, std::int64_t change);

  Objects& objects_;
  const Deaths& deaths_;
  const Labels& labels_;
  TaskEffects& effects_;
  TaskContext& context_;
  Lineage lineage_;
  std::uint64_t unfinished_ = 0;
  std::uint64_t limited_ = 0;
};

}  // namespace manta::owner
