// Which worker processes a node starts and ends.
//
// A worker is started for a booking, or to keep `warm_workers` ready. It ends when it has been idle for a while, or
// when a worker of another outfit needs its place (SCHED-7). After failures, starts pause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/sched/demands.h"
#include "core/sched/worker_pool.h"
#include "core/sched/worker_source.h"

namespace manta::sched {

class WorkerEffects {
 public:
  virtual ~WorkerEffects() = default;
  // Start a worker process whose CUDA_VISIBLE_DEVICES lists these GPUs, with these variables (ResourceSet::env); answer
  // by worker_started or worker_failed.
  virtual void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) = 0;
  virtual void kill_worker(ClientId worker) = 0;
};

// Attempts to start a worker process that failed since the last success.
struct StartFailures {
  std::uint32_t in_a_row = 0;
  std::string last;  // status of the last one; empty: there was none
};

// Threading: none of its own. Ownership: the pool, the demands and the effects must outlive it.
class WorkerLifetimes final : public WorkerSource {
 public:
  struct Limits {
    std::uint32_t max_workers;
    std::uint32_t warm_workers;  // kept ready while idle
    Time idle_life;              // surplus idle workers end after this
    Time retry;                  // pause after failures to start workers
  };

  // submits_elsewhere: whether the worker has demands or leases at another scheduler: then it does not end. Null: at
  // none.
  WorkerLifetimes(WorkerPool& pool, const Demands& demands, const Limits& limits,
                  std::function<bool(ClientId)> submits_elsewhere, WorkerEffects& effects)
      : pool_(pool),
        demands_(demands),
        limits_(limits),
        submits_elsewhere_(std::move(submits_elsewhere)),
        effects_(effects) {}

  // --- WorkerSource
  bool may_start(Time now) const override { return pool_.size() < limits_.max_workers && now >= start_after_; }
  void start(Outfit outfit, const std::vector<GpuShare>& shares) override;
  bool make_space(std::size_t wanted) override;
  void set_idle(Worker& worker, Time now) override;

  // Starts the warm workers that are missing.
  void refill_warm(Time now);
  void started();
  // True: starts fail again and again, and pause.
  bool start_failed(const std::string& status, Time now);
  // A worker died before its first lease; another one may die at once, too.
  void died_unused(Time now) { warm_after_ = now + limits_.retry; }
  // Whether no process needs the idle worker: it has no leases or demands, and no process refers to its objects.
  bool may_end(const Worker& worker) const;
  void end(Worker& worker);
  void set_keep(Worker& worker, bool keep, Time now);
  // Ends the workers that have been idle for too long.
  void end_idle(Time now);
  // When end_idle or refill_warm has something to do; kNever: no need.
  Time next_tick() const;

  const StartFailures& failures() const { return failures_; }
  bool paused() const { return start_after_ != Time{0}; }

 private:
  WorkerPool& pool_;
  const Demands& demands_;
  Limits limits_;
  std::function<bool(ClientId)> submits_elsewhere_;
  WorkerEffects& effects_;
  StartFailures failures_;
  Time start_after_{0};  // no worker is started before, after failures
  Time warm_after_{0};   // no warm worker is replaced before, after an early death
  Time next_idle_check_ = kNever;
};

}  // namespace manta::sched
