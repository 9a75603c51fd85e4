// Where Placing gets workers from that are not idle yet, and where it leaves those that have nothing to do.
#pragma once

#include <cstddef>
#include <vector>

#include "core/sched/resources.h"
#include "core/sched/shape.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

class WorkerSource {
 public:
  virtual ~WorkerSource() = default;
  virtual bool may_start(Time now) const = 0;
  // Starts a worker process of the outfit. shares: the GPUs that it can use.
  virtual void start(Outfit outfit, const std::vector<GpuShare>& shares) = 0;
  // An idle worker of another outfit gives its place to one that is needed. wanted: how many places are needed. Whether
  // so many will be free soon.
  virtual bool make_space(std::size_t wanted) = 0;
  // The worker has no lease and no booking.
  virtual void set_idle(Worker& worker, Time now) = 0;
};

}  // namespace manta::sched
