// A whole cluster in one thread under a seed: the head, nodes with their schedulers, drivers and workers with their
// owners, all of the production classes, and between them a simulated network, simulated rings and virtual time.
//
//   sim::SimCluster cluster(sim::SimOptions::from_seed(7));
//   sim::SimResult result = cluster.run();
//   EXPECT_EQ(result.failure, "") << result.trace;
//
// Random programs run, with tasks and actors; processes and machines die, and an Oracle checks that every task and call
// resolves exactly once and rightly, that only started attempts count, that calls start in order, that no object is
// freed and no actor ended that a live process can reach, that resources are conserved and no worker is leased twice,
// that all programs end and nothing is left behind. The same seed gives the same hash.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "core/head/head.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

struct SimResult {
  std::string failure;  // "", or "seed N: " and the first broken rule
  std::string trace;    // the last lines before it
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  std::uint64_t tasks = 0;
  std::uint64_t runs = 0;
  std::uint64_t cancels = 0;  // that ended a task or a call
  std::uint64_t calls = 0;    // of actors' methods that returned a value to their caller
  Time virtual_time{0};
};

// Threading: none. One run per object.
class SimCluster final : public head::HeadEffects {
 public:
  explicit SimCluster(const SimOptions& options);
  ~SimCluster() override;

  // Every trace line goes to standard error as it comes.
  void set_live_trace(bool live) { world_.trace.set_live(live); }
  SimResult run();

 private:
  static constexpr Time kHeartbeatTimeout = std::chrono::milliseconds(50);
  enum class Stage : std::uint8_t { programs, winding_down, leaving, over };

  void make_shapes();
  void make_nodes();
  void plan_chaos();
  void kill_some(bool worker);
  void end_some_machine(bool whole);
  void stall_some_machine();
  NodeId some_live_node();

  void deliver(Address from, Address to, Message message);
  void deliver_to_head(Address from, const Message& message);
  void tick_head();

  void supervise();
  bool programs_ended() const;
  std::string why_running() const;
  std::string why_not_quiet() const;
  std::string final_checks();
  void sweep();

  // --- head::HeadEffects
  void announce_client_death(NodeId to, ClientId client, const std::string& status) override;
  void announce_node_death(NodeId to, NodeId dead, const std::string& status) override;
  void end_job(NodeId to, ClientId driver) override;

  World world_;
  std::unique_ptr<head::Head> head_;
  Time head_tick_at_ = Time::max();
  std::set<std::pair<NodeId, ClientId>> announced_;
  std::set<std::pair<NodeId, ClientId>> ended_jobs_;
  std::set<NodeId> declared_dead_;
  Stage stage_ = Stage::programs;
  Time stage_deadline_{0};
  std::uint64_t events_ = 0;
};

}  // namespace manta::sim
