// The CPUs of a worker's lease while threads of the process wait in Manta.
//
//   RELEASE-1  from the first wait of a thread until the last one ends, the node may give the CPUs to others, and the
//              submitter takes back the records that wait behind the running task
//   RELEASE-2  a wait belongs to the task that runs when the wait begins, whichever thread waits; it ends with that
//              task. Where the process hosts an actor, it belongs to the actor. Where nothing runs, no CPUs are
//              released
//
// Threading: runs() and runs_nothing() are the executor's main thread; the rest any thread. Ownership: refers to the
// edge and to the ring of the running task, which forget() must precede.
#pragma once

#include <atomic>
#include <cstdint>

#include <manta/ids.h>

#include "core/base/mutex.h"
#include "core/net/task_ring.h"

namespace manta::worker {

// Called with ReleasedCpus' lock; must not call it back.
class ReleasedCpusEffects {
 public:
  virtual ~ReleasedCpusEffects() = default;
  virtual void notify_node(bool released) = 0;
  // The task came as a message from this client.
  virtual void notify_submitter(ClientId submitter, bool released) = 0;
};

class ReleasedCpus {
 public:
  explicit ReleasedCpus(ReleasedCpusEffects& effects) : effects_(effects) {}

  // The main thread begins a task of the ring, or of a client on another node. Not once an actor is hosted.
  void runs(net::RingWorker& ring) { ring_.store(&ring, std::memory_order_release); }
  void runs(ClientId submitter) { submitter_.store(submitter.value, std::memory_order_release); }
  // The task has ended. Cheap where no CPUs are released. Call it before the main thread sleeps, too: a wait may begin
  // at the moment when the task ended.
  void runs_nothing() {
    ring_.store(nullptr, std::memory_order_release);
    submitter_.store(0, std::memory_order_release);
    if (released_.load(std::memory_order_relaxed)) end_all();
  }
  // From now on the process is an actor's.
  void host_actor();
  // The ring is about to be destroyed.
  void forget(const net::RingWorker& ring);

  // A thread begins to wait; its result goes to wait_ends.
  std::uint64_t wait_begins();
  void wait_ends(std::uint64_t wait);

 private:
  static constexpr std::uint64_t kNothing = 0;

  void end_all();
  void notify(bool released) MANTA_REQUIRES(mutex_);

  ReleasedCpusEffects& effects_;
  std::atomic<net::RingWorker*> ring_{nullptr};
  std::atomic<std::uint64_t> submitter_{0};
  std::atomic<bool> released_{false};
  Mutex mutex_;
  bool hosts_actor_ MANTA_GUARDED_BY(mutex_) = false;
  std::uint64_t task_ MANTA_GUARDED_BY(mutex_) = 1;  // counts up: waits of earlier tasks count for nothing
  std::uint32_t waits_ MANTA_GUARDED_BY(mutex_) = 0;
  net::RingWorker* released_ring_ MANTA_GUARDED_BY(mutex_) = nullptr;  // whose submitter was notified
  ClientId released_to_ MANTA_GUARDED_BY(mutex_);                      // the same, on another node
};

}  // namespace manta::worker
