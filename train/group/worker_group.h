// The workers of one attempt: started, followed and ended together.
//
// GROUP-1: when a failed group is destroyed, its processes have ended: none of them writes a checkpoint beside the next
//          group.
// GROUP-2: workers whose loops ended are not killed: their processes end by themselves, with all their output.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <manta/placement_group.h>
#include <manta/train/detail/launch.h>
#include <manta/train/trainer.h>

namespace manta::train::detail {

// Resources for all workers on one host, kept from one attempt to the next.
//
// Threading: one thread. Errors: the constructor throws Error(invalid_argument) if no host has so much, even when idle.
class Reservation {
 public:
  explicit Reservation(const ScalingConfig& scaling);
  // Waits until a host has the resources. False: `interrupted` returned true before.
  bool await(const std::function<bool()>& interrupted) const;
  Bundle bundle(int rank) const;

 private:
  std::string what_;
  std::optional<PlacementGroup> group_;  // none if workers need neither CPUs nor GPUs
};

// Why an attempt failed that may be repeated.
struct LostWorker {
  int rank = 0;
  bool died = false;  // this worker died; else it only reports another's death
  std::string reason;
};

// Threading: one thread. Ownership: owns its workers' processes, which end with it.
class WorkerGroup {
 public:
  using OnReport = std::function<void(SentReport&)>;

  // Starts scaling.num_workers workers; completes `setup` with their ranks.
  WorkerGroup(const ScalingConfig& scaling, const Reservation& reservation, WorkerSetup setup,
              const StartWorker& start);
  ~WorkerGroup();
  WorkerGroup(const WorkerGroup&) = delete;
  WorkerGroup& operator=(const WorkerGroup&) = delete;

  // Passes on rank 0's reports until all loops have ended. Throws what a loop threw; returns the worker that was lost.
  // Asks the loops to stop once `stop` returns true.
  std::optional<LostWorker> follow(const OnReport& on_report, const std::function<bool()>& stop);
  // Whether a loop ended on request.
  bool stopped() const { return stopped_; }

 private:
  void hand_on(Update update, const OnReport& on_report);
  void take_last_reports(bool threw, const OnReport& on_report);
  std::optional<LostWorker> look_at(int rank, const OnReport& on_report);
  LostWorker cause_of(LostWorker first);
  [[noreturn]] void refuse_unequal_loops(const LostWorker& first, int returned) const;

  std::vector<StartedWorker> workers_;
  Ref<Update> reports_;
  bool ended_well_ = false;
  bool stop_requested_ = false;
  bool stopped_ = false;
};

}  // namespace manta::train::detail
