// A ring with its two doorbells in memory that threads and forked processes share.
#pragma once

#include <cstdlib>
#include <new>
#include <utility>

#include "core/net/doorbell.h"
#include "core/net/shared_memory.h"
#include "core/net/task_ring.h"

namespace manta::net {

struct SharedBells {
  Doorbell worker;
  Doorbell submitter;
};

class SharedRing {
 public:
  SharedRing() {
    Fd fd = create_shared_memory("test-ring", RingMemory::bytes()).value();
    memory_ = RingMemory::create(fd.get()).value();
    Fd bells = create_shared_memory("test-bells", sizeof(SharedBells)).value();
    bells_ = new (map_memory(bells.get(), sizeof(SharedBells), Mapping::shared).value()) SharedBells;
  }
  ~SharedRing() {
    RingMemory::unmap(memory_);
    unmap_memory(bells_, sizeof(SharedBells));
  }
  SharedRing(const SharedRing&) = delete;
  SharedRing& operator=(const SharedRing&) = delete;

  RingMemory& memory() { return *memory_; }
  Doorbell& worker_bell() { return bells_->worker; }
  Doorbell& submitter_bell() { return bells_->submitter; }
  RingSubmitter submitter() { return {*memory_, bells_->worker, 5}; }
  RingWorker worker() { return {*memory_, bells_->submitter, 7}; }

 private:
  RingMemory* memory_;
  SharedBells* bells_;
};

}  // namespace manta::net
