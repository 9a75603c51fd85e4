// One object that this process knows: the result of a task that it submitted, a value that it put, a borrowed one; or
// an actor, whose handles are references to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <manta/detail/entry.h>
#include <manta/ids.h>

#include "core/owner/cancellation.h"
#include "core/owner/stream.h"
#include "core/owner/value.h"

namespace manta::owner {

struct Actor;
struct Entry;
struct Lease;

enum class Kind : std::uint8_t {
  task,   // a task's result, or a value
  call,   // the result of an actor's method
  actor,  // the actor itself; an owned one holds the constructor's arguments as its value
};

// Life of an entry. Owned results go waiting -> queued -> pushed (-> queued again) -> resolved, or queued -> here.
enum class Phase : std::uint8_t {
  unused,    // in the table's free list
  waiting,   // for references among its arguments
  queued,    // for a lease; linked in its shape's queue
  pushed,    // in the ring of a leased worker
  here,      // runs in this process, in the thread that waits for it
  borrowed,  // another process owns it, the value has not come yet
  resolved,  // value or error is there
  lost,      // its value was lost with a node, and is made again on demand; in a standby owner: not replicated
  actor,     // an owned actor whose arguments are there: see Actor::state
};

// Tasks in order, linked through their entries.
struct TaskQueue {
  Entry* front = nullptr;
  Entry* back = nullptr;
  std::uint64_t size = 0;

  void push_back(Entry& entry) { insert(entry, false); }
  void push_front(Entry& entry) { insert(entry, true); }
  void insert(Entry& entry, bool at_front);
  void remove(Entry& entry);
};

// What few entries need; made on demand.
struct EntryExtra {
  // What made a result that lies on another node, to make it again if that one dies (OWN-11).
  struct Lineage {
    Value arguments;
    std::vector<Entry*> references;
    std::vector<Entry*> contained;
  };
  std::unique_ptr<Lineage> lineage;
  std::unique_ptr<IncomingStream> stream;   // of a generator's task, until its reader drops it
  std::vector<Entry*> references;           // arguments given as references, in order; held
  std::vector<Entry*> contained;            // references inside the value (of the arguments, later of the result); held
  std::vector<Entry*> dependents;           // tasks of this owner that wait for this object
  std::uint32_t unresolved = 0;             // of references
  std::string name;                         // TaskOptions::name
  std::string label;                        // what messages call it, whole; empty: by its kind and name
  std::unique_ptr<Cancellation> cancelled;  // null: not cancelled (OWN-14)
  std::chrono::nanoseconds limit{};         // of the run of an attempt (TaskOptions::timeout); zero: none
  bool over_limit = false;                  // which is why it is cancelled
  // Other processes that hold the object: how often each borrowed it, less what it gave back. Counts may be
  // negative for a moment: a give-back can overtake the message that announces the borrower.
  struct Borrower {
    ClientId client;
    std::int64_t count = 0;
  };
  std::vector<Borrower> borrowers;
  std::vector<ClientId> subscribers;  // asked for the value before it was there
  // Whether the standby owner has the value, or gets it once it is there (OWN-12). In the standby owner: done.
  enum class Replication : std::uint8_t { none, due, done } replication = Replication::none;
  // Of borrowed entries.
  std::int64_t counted_borrows = 0;  // how often the owner has us in its books, or will
  bool announced = false;            // a submitter that covered us says so to the owner before it lets go itself
  bool passed_on = false;            // to another process, before that
};

struct Entry : detail::EntryHead {
  Phase phase = Phase::unused;
  bool owned = false;
  bool indexed = false;  // findable by id
  bool watched = false;  // effects.resolved() is wanted
  bool retry_exceptions = false;
  bool wanted = false;  // its value is waited for: it runs before other tasks
  bool seen = false;    // its error was read, or is another entry's now
  Kind kind = Kind::task;
  std::uint16_t attempt = 0;  // attempts that have started and failed
  std::int16_t max_retries = 0;
  std::uint16_t shape = 0;
  // A thread that brought refs to 0 but has yet to tell: see ENTRY rule OWN-7.
  std::uint16_t late_releases = 0;
  ObjectId id;
  union {
    ClientId owner;               // of a borrowed entry
    detail::FunctionId function;  // of an owned one
  };
  Entry* previous = nullptr;  // in its queue
  Entry* next = nullptr;      // in its queue, or in the free list
  std::unique_ptr<EntryExtra> extra;
  union {
    Lease* lease;  // of a task, while pushed
    Actor* actor;  // of an actor, and of a call until it is resolved
  };
  // While pushed: in the lease's ring, modulo 2^32. Of a resolved one with a stored value: when it was used last, by
  // the owner's count of uses.
  std::uint32_t position = 0;
  std::uint32_t ref_mask = 0;
  Value value;  // the arguments until resolved, then the result

  Entry() : owner{}, lease(nullptr) {}
  EntryExtra& more() {
    if (!extra) extra = std::make_unique<EntryExtra>();
    return *extra;
  }
};

inline void TaskQueue::insert(Entry& entry, bool at_front) {
  Entry* neighbour = at_front ? front : back;
  entry.previous = at_front ? nullptr : neighbour;
  entry.next = at_front ? neighbour : nullptr;
  if (neighbour != nullptr) (at_front ? neighbour->previous : neighbour->next) = &entry;
  if (at_front || front == nullptr) front = &entry;
  if (!at_front || back == nullptr) back = &entry;
  ++size;
}

inline void TaskQueue::remove(Entry& entry) {
  (entry.previous != nullptr ? entry.previous->next : front) = entry.next;
  (entry.next != nullptr ? entry.next->previous : back) = entry.previous;
  entry.previous = entry.next = nullptr;
  --size;
}

inline bool cancelled(const Entry& entry) { return entry.extra && entry.extra->cancelled; }
inline bool has_limit(const Entry& entry) { return entry.extra && entry.extra->limit.count() != 0; }

}  // namespace manta::owner
