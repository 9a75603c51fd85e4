// The submitter's end of one worker: owner::WorkerLink on a ring.
//
// Threading: with the owner's mutex. Ownership: owns the mapping of the ring and the blocks of requests in flight.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/client/link_context.h"
#include "core/net/node_page.h"
#include "core/net/task_ring.h"
#include "core/net/task_ring_inl.h"
#include "core/owner/owner.h"
#include "core/store/arena.h"

namespace manta::client {

class RingLink final : public owner::WorkerLink {
 public:
  using Polled = std::vector<RingLink*>;
  struct Ends {
    ClientId submitter, worker;
  };

  // polled: where it enters itself while it may have results.
  RingLink(const Ends& ends, net::RingMemory& memory, net::ClientSlot& worker_slot, Polled& polled,
           LinkContext& context);
  ~RingLink() override;

  bool push(owner::Entry& entry) override;
  owner::Entry* take_back_last() override;
  bool take_back(owner::Entry& entry) override;
  owner::Entry* next_lost() override;
  bool push_end() override;
  void running(std::vector<owner::Entry*>& entries) const override;
  void replace(owner::Entry& entry, owner::Entry& by) override;

  // A finished task, the oldest first, and its result; null: none. The record is, or will be, freed.
  owner::Entry* pop_finished(owner::Outcome& outcome) MANTA_REQUIRES(owner_mutex);
  // From now on it is polled.
  void poll(Polled& polled) {
    if (!std::exchange(active, true)) polled.push_back(this);
  }
  bool stop_looking();
  bool worker_blocked() const { return ring_.worker_blocked(); }
  // Whether it waits for a worker that looked for tasks on this CPU last, and so cannot be running now.
  bool waits_for_cpu(std::uint32_t here) const { return ring_.worker_cpu() == here && outstanding(); }
  bool outstanding() const { return ring_.outstanding() > 0 || !stragglers_.empty(); }

  LeaseId lease;        // in force; none: kept for the next one
  bool active = false;  // in the list of links to poll
  void set_task_cpus(std::uint32_t ten_thousandths);

 private:
  static constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};
  std::uint64_t position_of(const owner::Entry& entry) const;
  bool fill(net::Record& record, const owner::Entry& entry, std::uint64_t& block) MANTA_REQUIRES(owner_mutex);
  template <class Fill>
  bool place(net::Record& record, std::size_t size, std::uint64_t& block, Fill fill) MANTA_REQUIRES(owner_mutex);
  static void refer(net::Record& record, const net::BlockRef& block);
  void free_block(std::uint64_t block) MANTA_REQUIRES(owner_mutex) {
    if (block != kNoBlock) context_.free_block(block);
  }
  void forget(std::uint64_t position) MANTA_REQUIRES(owner_mutex);
  bool in_order() const { return memory_->concurrency.load(std::memory_order_relaxed) <= 1; }
  // A task that still runs while later ones of its ring are done (net::RING-5).
  struct Straggler {
    std::uint32_t index;  // of its record
    owner::Entry* entry;
    std::uint64_t block;
  };
  void pass_running();
  owner::Entry* pop_straggler(owner::Outcome& outcome) MANTA_REQUIRES(owner_mutex);
  owner::Outcome decode(const net::Record& record) MANTA_REQUIRES(owner_mutex);

  const Ends ends_;
  net::RingMemory* memory_;
  Polled& polled_;
  LinkContext& context_;
  net::RingSubmitter ring_;
  std::uint64_t back_ = 0;  // no unstarted task at or after it
  std::array<owner::Entry*, net::kRingRecords> entries_{};
  std::vector<std::uint64_t> blocks_;  // by index; made when the first is needed
  std::vector<Straggler> stragglers_;
};

}  // namespace manta::client
