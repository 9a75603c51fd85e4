// Which workers of this node run what, and on which nodes the demands of its processes are met.
//
// A process states its demands to its own node. ClusterScheduler splits them over the nodes; the NodeScheduler of each
// grants leases on its own workers, to processes of any node.
//
// Threading: the loop's. Ownership: owns the schedulers; connections, rings and context must outlive it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/net/messages.h"
#include "core/node/connections.h"
#include "core/node/link_messages.h"
#include "core/node/rings.h"
#include "core/sched/bundled_scheduler.h"
#include "core/sched/cluster_scheduler.h"

namespace manta::node {

class PlacementContext {
 public:
  virtual ~PlacementContext() = default;
  virtual void start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) = 0;
  virtual void kill_worker(ClientId worker) = 0;
  // To a process of any node.
  virtual void to_client(ClientId client, const net::NodeMessage& message) = 0;
  // A message of the process to the daemon of another node.
  virtual void relay(ClientId client, NodeId to, const net::ClientMessage& message) = 0;
  virtual void bundle_reserved(const link::BundleReserved& reserved) = 0;
  // What this node has left, for the others.
  virtual void publish(const sched::ResourceSet& available, std::vector<link::Held> held) = 0;
  virtual bool stopping() const = 0;
  // Something may be due.
  virtual void wake() = 0;
  virtual sched::Time now() const = 0;
};

class Placement final : sched::BundleEffects, sched::ClusterSchedulerEffects {
 public:
  Placement(boost::asio::io_context& io, const net::NodeOfCluster& self, const sched::NodeSchedulerConfig& config,
            Connections& connections, Rings& rings, PlacementContext& context);

  void start() { scheduler_.start(context_.now()); }
  sched::BundledScheduler& scheduler() { return scheduler_; }
  const sched::BundledScheduler& scheduler() const { return scheduler_; }
  sched::ResourceSet available() const { return scheduler_.ledger().available(); }
  // Returns when it is to be called again.
  sched::Time tick(sched::Time now);

  // --- processes of this node
  void demand(ClientId client, const net::SetDemand& demand);
  void return_lease(ClientId client, LeaseId lease);
  void kill_leased(ClientId submitter, const net::KillWorker& m);
  void process_gone(ClientId client, const std::string& status, bool greeted);

  // --- processes of other nodes
  void foreign_demand(ClientId client, const net::SetDemand& demand);
  void foreign_process_gone(ClientId client, const std::string& status);
  std::set<ClientId> foreign_submitters() const { return foreign_submitters_; }
  // A message of another node to a process of this one. False: no other node may send it.
  bool takes(NodeId from, ClientId client, const net::NodeMessage& message);

  // --- nodes and groups
  void node_joined(const net::NodeOfCluster& node);
  void node_left(NodeId node) {
    placing_.node_left(node);
    others_.erase(node);
  }
  void view_changed(const link::View& view);
  void reserve(const link::ReserveBundle& m);
  void release(const link::ReleaseBundle& m) { scheduler_.release(m.bundle, m.why, context_.now()); }
  void group_at(const link::GroupAt& m) { placing_.group_placed(m.group, m.nodes); }
  void group_gone(const link::GroupGone& m) { placing_.group_gone(m.group); }
  // What other nodes have, for people; empty: there are none.
  std::string others() const { return others_.empty() ? std::string() : placing_.others(); }

 private:
  // --- sched::BundleEffects
  void start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override { context_.kill_worker(worker); }
  void grant(ClientId submitter, const sched::Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override { rings_.close(submitter, worker); }
  void bundle_reserved(const Bundle& bundle, std::uint32_t attempt) override;
  // --- sched::ClusterSchedulerEffects
  void set_share(NodeId node, ClientId client, sched::ShapeIndex shape, const sched::ResourceSet& request,
                 const Bundle& bundle, std::uint32_t wanted) override;
  std::uint32_t held_here(ClientId client, sched::ShapeIndex shape) override { return scheduler_.held(client, shape); }
  void refuse(ClientId client, sched::ShapeIndex shape, const std::string& why) override;

  void replan_later();

  boost::asio::io_context& io_;
  NodeId self_;
  Connections& connections_;
  Rings& rings_;
  PlacementContext& context_;
  sched::BundledScheduler scheduler_;
  sched::ClusterScheduler placing_;
  std::set<ClientId> foreign_submitters_;
  std::set<NodeId> others_;  // alive
  boost::asio::steady_timer replan_timer_;
  bool replan_waits_ = false;
};

}  // namespace manta::node
