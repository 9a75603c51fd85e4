// The submitter's end of one worker: owner::WorkerLink on a ring.
//
// Threading: under the client's lock. Ownership: owns the mapping of the ring and the blocks of requests in flight.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <manta/ids.h>

#include "core/net/node_page.h"
#include "core/net/task_ring.h"
#include "core/net/task_ring_inl.h"
#include "core/owner/owner.h"
#include "core/store/arena.h"

namespace manta::client {

class Client;

class RingLink final : public owner::WorkerLink {
 public:
  RingLink(Client& client, ClientId worker, net::RingMemory& memory, net::ClientSlot& worker_slot);
  ~RingLink() override;

  bool push(owner::Entry& entry) override;
  owner::Entry* take_back_last() override;
  bool take_back(owner::Entry& entry) override;
  owner::Entry* next_lost() override;
  bool push_end() override;
  void running(std::vector<owner::Entry*>& entries) const override;
  void replace(owner::Entry& entry, owner::Entry& by) override;

  // A finished task, the oldest first, and its result; null: none. The record is, or will be, freed.
  owner::Entry* pop_finished(owner::Outcome& outcome);
  bool stop_looking();
  bool worker_blocked() const { return ring_.worker_blocked(); }
  // Whether it waits for a worker that looked for tasks on this CPU last, and so cannot be running now.
  bool waits_for_cpu(std::uint32_t here) const { return ring_.worker_cpu() == here && outstanding(); }
  bool outstanding() const { return ring_.outstanding() > 0 || !stragglers_.empty(); }

  ClientId worker() const { return worker_; }
  LeaseId lease;        // in force; none: kept for the next one
  bool active = false;  // in the client's list of links to poll
  void set_task_cpus(std::uint32_t ten_thousandths);

 private:
  static constexpr std::uint64_t kNoBlock = ~std::uint64_t{0};
  std::uint64_t position_of(const owner::Entry& entry) const;
  bool fill(net::Record& record, const owner::Entry& entry, std::uint64_t& block);
  template <class Fill>
  bool place(net::Record& record, std::size_t size, std::uint64_t& block, Fill fill);
  static void refer(net::Record& record, const net::BlockRef& block);
  void forget(std::uint64_t position);
  bool in_order() const { return memory_->concurrency.load(std::memory_order_relaxed) <= 1; }
  // A task that still runs while later ones of its ring are done (net::RING-5).
  struct Straggler {
    std::uint32_t index;  // of its record
    owner::Entry* entry;
    std::uint64_t block;
  };
  void pass_running();
  owner::Entry* pop_straggler(owner::Outcome& outcome);
  owner::Outcome decode(const net::Record& record);

  Client& client_;
  ClientId worker_;
  net::RingMemory* memory_;
  net::RingSubmitter ring_;
  std::uint64_t back_ = 0;  // no unstarted task at or after it
  std::array<owner::Entry*, net::kRingRecords> entries_{};
  std::vector<std::uint64_t> blocks_;  // by index; made when the first is needed
  std::vector<Straggler> stragglers_;
};

}  // namespace manta::client
