#include "core/worker/released_cpus.h"

namespace manta::worker {

std::uint64_t ReleasedCpus::wait_begins() {
  const MutexLock guard(mutex_);
  net::RingWorker* const ring = ring_.load(std::memory_order_acquire);
  const ClientId submitter{submitter_.load(std::memory_order_acquire)};
  if (!hosts_actor_ && ring == nullptr && !submitter) return kNothing;
  if (waits_++ == 0) {
    released_.store(true, std::memory_order_seq_cst);
    // An actor's callers wait for it, whatever it does.
    released_ring_ = hosts_actor_ ? nullptr : ring;
    released_to_ = hosts_actor_ || ring != nullptr ? ClientId() : submitter;
    notify(true);
  }
  return task_;
}

void ReleasedCpus::wait_ends(std::uint64_t wait) {
  const MutexLock guard(mutex_);
  if (wait != task_ || waits_ == 0 || --waits_ > 0) return;
  released_.store(false, std::memory_order_seq_cst);
  notify(false);
}

void ReleasedCpus::end_all() {
  const MutexLock guard(mutex_);
  if (hosts_actor_ || waits_ == 0) return;
  ++task_;
  waits_ = 0;
  released_.store(false, std::memory_order_seq_cst);
  notify(false);
}

void ReleasedCpus::host_actor() {
  const MutexLock guard(mutex_);
  hosts_actor_ = true;
  // A thread that the constructor started waits: the CPUs stay released, but the actor's callers are served.
  if (released_ring_ != nullptr) released_ring_->set_blocked(false);
  if (released_to_) effects_.notify_submitter(released_to_, false);
  released_ring_ = nullptr;
  released_to_ = {};
}

void ReleasedCpus::forget(const net::RingWorker& ring) {
  const MutexLock guard(mutex_);
  net::RingWorker* running = ring_.load(std::memory_order_acquire);
  if (running == &ring) ring_.store(nullptr, std::memory_order_release);
  if (released_ring_ == &ring) released_ring_ = nullptr;
}

void ReleasedCpus::notify(bool released) {
  if (released_ring_ != nullptr) released_ring_->set_blocked(released);
  if (released_to_) effects_.notify_submitter(released_to_, released);
  effects_.notify_node(released);
  if (released) return;
  released_ring_ = nullptr;
  released_to_ = {};
}

}  // namespace manta::worker
