// A ring between a submitter and its leased worker, as both ends see it. See core/net/task_ring.h for the real one.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "core/owner/owner.h"

namespace manta::sim {

// What the submitter wrote and the worker answers; the record of the real ring with its payload.
struct RingRecord {
  enum class State : std::uint8_t { ready, claimed, done, taken };
  State state = State::ready;
  owner::Kind kind = owner::Kind::task;  // actor: its constructor
  bool end = false;                      // of the worker's actor; the rest is empty
  owner::Entry* entry = nullptr;         // the submitter's business
  std::uint64_t task = 0;                // of the Oracle
  TaskId id;
  detail::FunctionId function;
  std::uint16_t attempt = 0;
  owner::Value arguments;
  std::vector<owner::Value> references;
  std::vector<detail::WireRef> stored;  // those references whose values are in the store
  owner::Outcome outcome;               // once done
  std::vector<detail::WireRef> kept;    // outcome.kept, with their owners
  std::vector<ObjectId> unsure;         // references inside the outcome that the worker cannot vouch for
};

// The state machine of every record is RING-1 and RING-2. Space comes back as in the real ring: in order, a done record
// when the submitter has read it, a taken one when the worker has passed it (or, if the worker never will, never).
//
// Threading: none. Ownership: shared by the submitter's edge, the worker's and the node; entries stay the owner's.
class SimRing final : public owner::WorkerLink {
 public:
  SimRing(LeaseId of_lease, ClientId from, ClientId to, sched::ResourceSet granted, std::size_t capacity)
      : lease(of_lease), submitter(from), worker(to), request(std::move(granted)), capacity_(capacity) {}

  // --- owner::WorkerLink
  bool push(owner::Entry& entry) override;
  owner::Entry* take_back_last() override;
  bool take_back(owner::Entry& entry) override;
  owner::Entry* next_lost() override;
  bool push_end() override;
  void running(std::vector<owner::Entry*>& entries) const override;
  void replace(owner::Entry& entry, owner::Entry& by) override;

  // --- the submitter's edge
  // Fills what is the simulator's in the record that push is about to publish, and hears of publishing.
  struct Submitter {
    virtual ~Submitter() = default;
    virtual void describe(const owner::Entry& entry, RingRecord& record) = 0;
    virtual void published(SimRing& ring) = 0;
  };
  Submitter* submitter_edge = nullptr;
  // Reads and frees the oldest done record; false: none.
  bool pop_done(RingRecord& record);

  // --- the worker's edge
  bool has_ready();
  // The next ready record in order; null: none. Valid until it is done and popped.
  RingRecord* claim();
  // Everything that was claimed or finished and not read; for the Oracle, when the submitter dies.
  template <class F>
  void for_each_open(F f) {
    for (RingRecord& record : records_) {
      if (record.state == RingRecord::State::claimed || record.state == RingRecord::State::done) f(record);
    }
  }

  bool idle() const;  // nothing ready, claimed or done; an end that the worker did not take does not count

  const LeaseId lease;
  const ClientId submitter;
  const ClientId worker;
  const sched::ResourceSet request;  // what the lease was granted for
  bool worker_blocked = false;
  bool closed = false;    // the submitter is gone: the worker skips the rest
  bool of_actor = false;  // the lease is an actor's, or there is none: another caller's
  bool submitter_sees_blocked = false;

 private:
  void free_passed();

  std::size_t capacity_;
  std::deque<RingRecord> records_;
  std::uint64_t head_ = 0;  // position of records_.front()
  std::uint64_t next_claim_ = 0;
};

}  // namespace manta::sim
