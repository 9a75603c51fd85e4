// The workers of one attempt: started together, followed, and ended together.
//
// GROUP-1: when a group is gone that did not end well, so are its processes: none of them writes a checkpoint beside the
//          next group.
// GROUP-2: workers whose loops ended are not killed: their processes end by themselves, with what they had to print.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <manta/placement_group.h>
#include <manta/train/detail/launch.h>
#include <manta/train/trainer.h>

namespace manta::train::detail {

// Room for all workers on one host, kept from one attempt to the next.
//
// Threading: one thread. Errors: the constructor throws Error(invalid_argument) where no host has so much, even idle.
class Reservation {
 public:
  explicit Reservation(const ScalingConfig& scaling);
  // Waits until a host has the room. False: `interrupted` said so before.
  bool await(const std::function<bool()>& interrupted) const;
  Bundle bundle(int rank) const;

 private:
  std::string what_;
  std::optional<PlacementGroup> group_;  // none where workers need neither CPUs nor GPUs
};

// Why an attempt ended before its time, though it may be made again.
struct LostWorker {
  int rank = 0;
  bool died = false;  // itself; else it only says that another did
  std::string reason;
};

// Threading: one thread. Ownership: its workers' processes; they end with it.
class WorkerGroup {
 public:
  using OnReport = std::function<void(SentReport&)>;

  // Starts scaling.num_workers workers; `setup` is completed with their ranks.
  WorkerGroup(const ScalingConfig& scaling, const Reservation& reservation, WorkerSetup setup,
              const StartWorker& start);
  ~WorkerGroup();
  WorkerGroup(const WorkerGroup&) = delete;
  WorkerGroup& operator=(const WorkerGroup&) = delete;

  // Hands on rank 0's reports until all loops have ended. Throws what a loop threw; returns the worker that was lost.
  // Asks the loops to stop once `stop` says so.
  std::optional<LostWorker> follow(const OnReport& on_report, const std::function<bool()>& stop);
  // A loop ended because it was asked to.
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
