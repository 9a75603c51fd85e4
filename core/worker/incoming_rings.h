// The worker's ends of the rings of its submitters: which record runs next, and when records and blocks are free again.
//
//   EXEC-3  a block that carries a result lives until the submitter has freed the record
//
// Threading: the main thread alone, until set_concurrent(); then all threads that run calls. Ownership: owns its ends
// of the rings; the client must outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/mutex.h"
#include "core/client/client.h"
#include "core/net/task_ring.h"
#include "core/net/task_ring_inl.h"

namespace manta::worker {

struct IncomingRing {
  ClientId submitter;
  net::RingMemory* memory = nullptr;
  net::RingWorker ring;
  std::deque<std::pair<const net::Record*, std::uint64_t>> blocks;  // of results not yet taken, oldest first
  std::uint32_t running = 0;                                        // records claimed
  bool closing = false;                                             // as soon as nothing runs
};

class IncomingRings {
 public:
  struct Claimed {
    IncomingRing* ring = nullptr;  // null: there is no record
    net::Record* record = nullptr;
  };
  // A ring is about to be unmapped.
  using Forget = std::function<void(const net::RingWorker&)>;

  explicit IncomingRings(Forget forget) : forget_(std::move(forget)) {}
  void attach(client::Client& client) { client_ = &client; }

  // Ends the process if the ring cannot be mapped: its submitter would wait for ever.
  void open(const net::OpenRing& message, const Fd& memory);
  // As soon as none of its records runs.
  void close(ClientId submitter);
  bool anything_runs();
  // The next record to run. Each submitter has its turn.
  Claimed claim();
  // The record's reply is written; block: that of its result.
  void finish(IncomingRing& ring, net::Record& record, const std::optional<std::uint64_t>& block);
  // Submitters ring from now on. more: whether records are looked for. False: there are some.
  bool prepare_sleep(bool more);
  // Whether the submitter that was served last looked for results on this CPU last: it cannot run while we spin.
  bool submitter_waits_for_this_cpu();
  // The process hosts an actor, whose callers read here how many calls it takes at a time.
  void set_actor_concurrency(std::uint32_t calls);
  // From now on other threads claim, too.
  void set_concurrent() { concurrent_ = true; }

 private:
  // Whether mutex_ is needed: the main thread is alone before.
  bool several_threads() const { return concurrent_.load(std::memory_order_relaxed); }
  void erase(IncomingRing& ring) MANTA_REQUIRES(mutex_);
  void free_taken_blocks(IncomingRing& ring) MANTA_REQUIRES(mutex_);
  void leave_others_to_look() MANTA_REQUIRES(mutex_);

  client::Client* client_ = nullptr;
  Forget forget_;
  std::atomic<bool> concurrent_{false};
  Mutex mutex_;
  std::vector<std::unique_ptr<IncomingRing>> rings_ MANTA_GUARDED_BY(mutex_);
  std::size_t turn_ MANTA_GUARDED_BY(mutex_) = 0;  // the ring that is served, and how many records of it in a row
  std::uint32_t served_ MANTA_GUARDED_BY(mutex_) = 0;
  std::uint32_t actor_concurrency_ MANTA_GUARDED_BY(mutex_) = 0;  // 0: no actor
};

}  // namespace manta::worker
