// A machine's daemon: a NodeScheduler and the switchboard between its clients, other nodes and the head.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/owner/round_call.h"
#include "core/owner/standby_owners.h"
#include "core/sched/node_scheduler.h"
#include "core/testing/sim_ids.h"
#include "core/testing/sim_messages.h"
#include "core/testing/sim_process.h"
#include "core/testing/sim_ring.h"

namespace manta::sim {

struct World;

// Threading: none. Ownership: owned by the World; a dead node keeps its place, its scheduler is gone.
class SimNode final : public sched::NodeSchedulerEffects, public owner::StandbyEffects {
 public:
  SimNode(World& world, NodeId id);
  ~SimNode() override;

  void start(const sched::ResourceSet& total);
  void deliver(Address from, Message message);
  // The machine stops, or only the daemon: then workers end with it and drivers go on without.
  void die(bool whole_machine);

  NodeId id() const { return id_; }
  bool alive() const { return scheduler_ != nullptr; }
  const sched::NodeScheduler& scheduler() const { return *scheduler_; }
  std::string why_not_quiet() const;  // nothing leased, no CPUs released, nothing taken

  // --- sched::NodeSchedulerEffects
  void start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const sched::Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override;

  // --- owner::StandbyEffects
  void send_as(ClientId from, ClientId to, owner::PeerMessage message) override;
  void free_block(const owner::StoredLocation& location) override;
  void arena_unused(ClientId, ClientId) override {}
  void ask_all(ClientId standby, std::uint32_t round) override;
  void standby_closed(ClientId) override {}

 private:
  owner::RoundCallEdge round_call_edge();
  void from_client(ClientId client, Message& message);
  void route(ClientId from, ClientId to, Message message);
  void on_client_death(const message::ClientDeath& death);
  void send(ClientId to, Message message);
  void open_ring(ClientId caller, ClientId worker);
  void after_event();
  void heartbeat();

  World& world_;
  NodeId id_;
  std::unique_ptr<sched::NodeScheduler> scheduler_;
  std::set<ClientId> clients_;  // joined and not gone
  std::unique_ptr<owner::StandbyOwners> standby_owners_;
  owner::RoundCall round_call_;
  std::set<NodeId> dead_nodes_;
  std::map<std::pair<ClientId, sched::ShapeIndex>, sched::ResourceSet> requests_;
  std::map<ClientId, std::shared_ptr<SimRing>> leases_;    // by worker
  std::map<ClientId, std::vector<sched::GpuShare>> gpus_;  // that a worker was started with
  std::map<ClientId, std::string> envs_;
  std::set<ClientId> used_;                        // workers that have had a lease
  std::set<std::pair<ClientId, ClientId>> links_;  // callers of actors, and the workers
  LeaseId last_ended_;                             // as its submitter knows
  Time tick_at_ = Time::max();
};

}  // namespace manta::sim
