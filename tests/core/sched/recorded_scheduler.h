// A NodeScheduler whose effects are written down, one line each, and whose invariants are checked after every event.
#pragma once

#include <string>
#include <vector>

#include "core/sched/node_scheduler.h"

namespace manta::sched {

inline constexpr Time kMs = std::chrono::milliseconds(1);

ResourceSet cpus(double n);
ResourceSet gpus(double n);
ResourceSet memory(std::uint64_t bytes);

class RecordedScheduler final : NodeSchedulerEffects {
 public:
  // Workers are numbered from 100, leases from 1. With_instant_workers: each start_worker is answered at once.
  explicit RecordedScheduler(NodeSchedulerConfig config, bool instant_workers = true);

  void start();
  void join(std::uint64_t driver);
  void want(std::uint64_t client, std::uint32_t wanted, const ResourceSet& request, ShapeIndex shape = 0);
  void give_back(std::uint64_t client, std::uint64_t lease);
  void worker_started(std::uint64_t worker);
  void worker_failed(std::uint64_t worker, const std::string& status);
  void left(std::uint64_t client, const std::string& status = "killed by signal 9 (SIGKILL)");
  void blocked(std::uint64_t worker);
  void unblocked(std::uint64_t worker);
  void ring_closed(std::uint64_t worker, std::uint64_t submitter);
  void keep_alive(std::uint64_t worker, bool keep);
  // Lets time pass, ticking whenever the scheduler asks for it.
  void pass(Time duration);

  // The effects since the last call: "start 100", "start 101 gpus 0 2", "start 102 env A=1", "kill 100", "grant 1:
  // lease 1 on 100", "ended 1: lease 1, <status>", "ask 1: 2", "close 100 for 1", "infeasible 1". Shapes other than 0:
  // "grant 1/2: ...".
  std::vector<std::string> log();
  // Text of the last infeasible().
  const std::string& last_infeasible() const { return last_infeasible_; }
  // What the client holds now, in the order of granting, according to the effects.
  std::vector<std::uint64_t> leases_of(std::uint64_t client) const;
  const NodeScheduler& scheduler() const { return scheduler_; }
  Time now() const { return now_; }
  std::string why_waiting(std::uint64_t client) const { return scheduler_.shortages().why_waiting(ClientId{client}); }

 private:
  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override;
  void after_event();

  bool instant_workers_;
  Time now_{0};
  std::vector<std::string> log_;
  std::string last_infeasible_;
  std::vector<ClientId> starting_;
  std::map<LeaseId, ClientId> held_;
  NodeScheduler scheduler_;
};

}  // namespace manta::sched
