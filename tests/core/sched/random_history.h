// Random events for a NodeScheduler, under a seed: sensible ones and late, repeated and wrong ones. What the effects
// say is kept in an account of its own, which is compared with the promises of the scheduler.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/sched/node_scheduler.h"

namespace manta::sched {

class RandomHistory final : NodeSchedulerEffects {
 public:
  explicit RandomHistory(std::uint64_t seed);

  // Each returns what went wrong, or "".
  std::string run(int steps);     // random events
  std::string serve_everybody();  // from now on all processes behave: SCHED-6, each is served
  std::string wind_down();        // all is returned: SCHED-1

  std::uint64_t hash() const { return hash_; }
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  struct Process {
    bool worker = false;
    bool started = true;
    bool killed = false;
    bool blocked = false;
    std::set<std::uint32_t> gpus;
    std::string env;
    std::uint64_t lease = 0;        // worker: that it serves
    std::uint64_t closing_for = 0;  // worker: dead submitter
  };
  struct Held {
    std::uint64_t submitter = 0;
    std::uint64_t worker = 0;
    ShapeIndex shape = 0;
  };

  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override;

  void step();
  void change_demand();
  void change_worker();
  void return_some();
  void late_message();
  void join();
  void die(std::uint64_t client);
  void give_back(std::uint64_t lease);
  void set_blocked(std::uint64_t worker, bool blocked);
  void close(std::uint64_t worker);
  void start(std::uint64_t worker, bool works);
  // Starts, kills, closings and unblockings that are due.
  void obey();
  void pass(Time time);
  void check(const std::string& event);
  void note(const char* what, std::uint64_t a = 0, std::uint64_t b = 0);
  void broken(const std::string& what) { broken_ = broken_.empty() ? what : broken_; }
  int random(int below) { return std::uniform_int_distribution<>(0, below - 1)(random_); }
  std::uint64_t any_process();

  std::mt19937_64 random_;
  NodeSchedulerConfig config_;
  std::vector<ResourceSet> shapes_;
  bool mixed_ = false;  // shapes of several priorities
  Time now_{0};
  std::map<std::uint64_t, Process> processes_;
  std::map<std::uint64_t, Held> held_;
  std::vector<std::uint64_t> past_leases_;
  std::set<std::uint64_t> served_;  // clients that were granted something
  std::map<std::pair<std::uint64_t, ShapeIndex>, std::uint32_t> asked_;
  std::uint64_t next_driver_ = 1;
  std::uint64_t hash_ = 0;
  std::map<std::string, int> counts_;
  std::string broken_;
  NodeScheduler scheduler_;
};

}  // namespace manta::sched
