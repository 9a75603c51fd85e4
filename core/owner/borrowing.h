// Objects that cross process borders: imports, exports, and the borrowers that an owner knows.
//
// As in "Ownership" (Wang et al., NSDI '21). An owner counts for each borrower how often it was given the object; a
// borrower gives all of that back at once. Counts are signed, so messages may overtake each other.
//
//   OWN-6  messages may come late, twice (deaths, ends of leases) or for objects that are gone
//   OWN-13 a process that knows of an owner's death holds the objects from the standby owner, with which it registers
//          itself, also for each reference that reaches it later under the dead owner's id
//
// Threading: none of its own (the owner's lock). Ownership: holds the entries that it has yet to send; all references
// must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/owner/objects.h"
#include "core/owner/unmet.h"

namespace manta::owner {

class BorrowingEffects {
 public:
  virtual ~BorrowingEffects() = default;
  virtual void send(ClientId to, PeerMessage message) = 0;
  // The entry's value is spilled and needed: brings it back by Spilling::restored, or replaces it by
  // Spilling::unreadable. False: there is no space now; it is asked again at a tick.
  virtual bool restore(Entry& entry) = 0;
};

// What Borrowing needs of the other parts.
class BorrowingContext {
 public:
  virtual ~BorrowingContext() = default;
  virtual void want(Entry& entry) = 0;
  virtual void fail(Entry& entry, const Error& error) = 0;
  // Another process may hold the object from now on.
  virtual void shared(Entry& entry) = 0;
  // Between the two, replicas are collected; after the second they are sent.
  virtual void begin_sharing() = 0;
  virtual void end_sharing() = 0;
  // "... was spilled, and there is no space ..."
  virtual Error no_space(const std::string& what) = 0;
};

class Borrowing {
 public:
  // restore_ticks: for how many milliseconds an answer waits for space in the store.
  Borrowing(Objects& objects, const Deaths& deaths, std::uint32_t restore_ticks, BorrowingEffects& effects,
            BorrowingContext& context)
      : objects_(objects), deaths_(deaths), restore_ticks_(restore_ticks), effects_(effects), context_(context) {}

  // A reference found in a value. `counted`: the owner of the object counts us for it (results, fetched values); false
  // for references inside arguments, which the submitter covers until our reply. With one reference for the caller.
  Entry* import(const detail::WireRef& ref, bool counted);
  detail::WireRef export_ref(Entry& entry);
  // The process gets a reference: tells the owner.
  void add_borrower(Entry& entry, ClientId to);
  // Before a value is sent to another process: tells the owners of the references inside.
  void export_contained(const std::vector<Entry*>& contained, ClientId to);
  // The same, and their names for the receiver, which must learn of the borrow before it learns of later events.
  std::vector<detail::WireRef> export_to(const std::vector<Entry*>& entries, ClientId to);
  // Of these entries, imported from a task's arguments, those still held: the reply must name them.
  std::vector<detail::WireRef> kept_after_task(const std::vector<Entry*>& imported);
  // Before the submitter drops its own holds on the task's arguments: the owner of each must know the process that
  // keeps it.
  void announce_kept(const Entry& task, const std::vector<detail::WireRef>& kept, ClientId by);
  void add_borrower(Entry& entry, ClientId client, std::int64_t count);
  // A borrowed entry is about to go.
  void give_back(const Entry& entry);

  // --- messages
  // False: no object of this process has this id.
  bool fetch(ClientId from, const ObjectId& object);
  void fetched(ClientId from, const Fetched& fetched);
  // A standby owner does not know the object.
  void not_replicated(ClientId standby, const ObjectId& object);

  // The value is there: sends it to those that have asked.
  void answer_subscribers(Entry& entry);
  // The owner is dead: its standby owner stands for it. Its death may be announced later.
  void fail_over(ClientId owner);
  // standbys: the processes that are gone have standby owners.
  void drop_dead(const std::function<bool(ClientId)>& gone, const std::string& status, bool standbys);
  void tick(std::uint32_t milliseconds);
  bool busy() const { return !unanswered_.empty(); }
  // Values that wait for space, as a demand; and what they are called.
  static constexpr std::uint32_t kDemand = ~std::uint32_t{0};
  void unmet(std::vector<Unmet>& all) const;
  std::string label() const;

 private:
  struct Unanswered {
    Entry* entry;  // held
    ClientId subscriber;
    std::uint32_t ticks = 0;
  };

  static Entry* find_argument(const Entry& task, const ObjectId& id);
  void answer(Entry& entry, ClientId subscriber);
  void register_with_standby(Entry& entry);

  Objects& objects_;
  const Deaths& deaths_;
  std::uint32_t restore_ticks_;
  BorrowingEffects& effects_;
  BorrowingContext& context_;
  std::set<ClientId> failed_over_;      // owners that are dead, whose standby owners stand for them; never walked
  std::vector<Unanswered> unanswered_;  // fetched while spilled, and there was no space
};

}  // namespace manta::owner
