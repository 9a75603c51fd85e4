#include "core/node/placement.h"

#include <map>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>

#include "core/base/log.h"
#include "core/net/wire_resources.h"

namespace manta::node {

namespace {

constexpr auto kReplanEvery = std::chrono::milliseconds(5);

}  // namespace

Placement::Placement(boost::asio::io_context& io, const net::NodeOfCluster& self,
                     const sched::NodeSchedulerConfig& config, Connections& connections, Rings& rings,
                     PlacementContext& context)
    : io_(io),
      self_(self.node),
      connections_(connections),
      rings_(rings),
      context_(context),
      scheduler_(config, client_of(self.node, 0), *this),
      placing_(self.node, static_cast<sched::ClusterSchedulerEffects&>(*this)),
      replan_timer_(io) {
  placing_.node_joined(self.node, self.host, net::resources_of(self.total));
}

sched::Time Placement::tick(sched::Time now) {
  const sched::Time next = scheduler_.tick(now);
  connections_.page().others_wait.store(scheduler_.starving(), std::memory_order_relaxed);
  if (!others_.empty()) replan_later();
  return next;
}

// --- processes of this node

void Placement::demand(ClientId client, const net::SetDemand& m) {
  placing_.view(self_, available());
  placing_.set_demand(client, m.shape, net::resources_of(m.request), m.where, m.wanted);
}

void Placement::return_lease(ClientId client, LeaseId lease) {
  placing_.lease_over(lease);
  if (node_of(lease) == self_) return scheduler_.return_lease(client, lease, context_.now());
  context_.relay(client, node_of(lease), net::ReturnLease{lease});
}

void Placement::kill_leased(ClientId submitter, const net::KillWorker& m) {
  if (node_of(m.lease) != self_) return context_.relay(submitter, node_of(m.lease), m);
  if (const ClientId worker = scheduler_.worker_of(submitter, m.lease)) context_.kill_worker(worker);
}

void Placement::process_gone(ClientId client, const std::string& status, bool greeted) {
  rings_.process_gone(client);
  if (!greeted) return scheduler_.worker_failed(client, status, context_.now());
  scheduler_.client_left(client, status, context_.now());
  placing_.client_left(client);
}

// --- processes of other nodes

void Placement::foreign_demand(ClientId client, const net::SetDemand& m) {
  if (foreign_submitters_.insert(client).second) scheduler_.driver_joined(client, context_.now());
  scheduler_.set_demand(client, m.shape, net::resources_of(m.request), m.where.bundle, m.wanted, context_.now());
}

void Placement::foreign_process_gone(ClientId client, const std::string& status) {
  if (foreign_submitters_.erase(client) > 0) scheduler_.client_left(client, status, context_.now());
}

bool Placement::takes(NodeId from, ClientId client, const net::NodeMessage& message) {
  if (const auto* granted = std::get_if<net::Granted>(&message)) {
    if (node_of(granted->lease) != from || node_of(granted->worker) != from || granted->new_ring) return false;
    placing_.granted(granted->lease, client, granted->shape);
    return true;
  }
  if (const auto* ended = std::get_if<net::LeaseEnded>(&message)) {
    placing_.lease_over(ended->lease);
    return true;
  }
  return std::holds_alternative<net::Infeasible>(message) || std::holds_alternative<net::AskBack>(message) ||
         std::holds_alternative<net::Named>(message) || std::holds_alternative<net::OutputText>(message) ||
         std::holds_alternative<net::OutputDrained>(message) || std::holds_alternative<net::GroupMade>(message);
}

// --- nodes and groups

void Placement::node_joined(const net::NodeOfCluster& node) {
  others_.insert(node.node);
  placing_.node_joined(node.node, node.host, net::resources_of(node.total));
}

void Placement::view_changed(const link::View& view) {
  std::map<sched::ClusterScheduler::Key, std::uint32_t> held;
  for (const link::Held& h : view.held) {
    if (node_of(h.client) == self_) held[{h.client, h.shape}] = h.leases;
  }
  placing_.view(view.node, net::resources_of(view.available), std::move(held));
  replan_later();
}

// Publishes what is left here now, and splits the demands anew before long.
void Placement::replan_later() {
  std::vector<link::Held> held;
  for (const ClientId client : foreign_submitters_) {
    for (const auto& [shape, leases] : scheduler_.held_by(client)) held.push_back({client, shape, leases});
  }
  context_.publish(available(), std::move(held));
  if (replan_waits_) return;
  replan_waits_ = true;
  replan_timer_.expires_after(kReplanEvery);
  replan_timer_.async_wait([this](boost::system::error_code error) {
    if (error || context_.stopping()) return;
    placing_.view(self_, available());
    placing_.replan();
    context_.wake();
    replan_waits_ = false;
  });
}

void Placement::reserve(const link::ReserveBundle& m) {
  scheduler_.reserve(m.bundle, m.attempt, net::resources_of(m.request), context_.now());
}

// --- sched::ClusterSchedulerEffects

void Placement::set_share(NodeId node, ClientId client, sched::ShapeIndex shape, const sched::ResourceSet& request,
                          const Bundle& bundle, std::uint32_t wanted) {
  if (node == self_) return scheduler_.set_demand(client, shape, request, bundle, wanted, context_.now());
  net::SetDemand demand{shape, net::wire_of(request), wanted, {}};
  demand.where.bundle = bundle;
  context_.relay(client, node, demand);
}

void Placement::refuse(ClientId client, sched::ShapeIndex shape, const std::string& why) {
  infeasible(client, shape, why);
}

// --- sched::BundleEffects

void Placement::start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) {
  context_.start_worker(worker, gpus, env);
}

void Placement::grant(ClientId submitter, const sched::Grant& grant) {
  Connection* from = connections_.find(submitter);
  Connection* worker = connections_.find(grant.worker);
  if (worker == nullptr) return;
  const net::Granted granted{grant.lease, grant.worker, grant.shape, 0, false};
  if (from == nullptr && node_of(submitter) != self_) return context_.to_client(submitter, granted);
  if (from == nullptr) return;
  log::trace("process ", from->process, " may run on worker process ", worker->process, " (lease ", grant.lease, ")");
  placing_.granted(grant.lease, submitter, grant.shape);
  const auto sent = rings_.grant(*from, *worker, granted);
  if (sent) return;
  infeasible(submitter, grant.shape, "this node cannot make a ring to a worker: " + sent.error().message());
  boost::asio::post(
      io_, [this, submitter, lease = grant.lease] { scheduler_.return_lease(submitter, lease, context_.now()); });
}

void Placement::lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd, const std::string& status) {
  placing_.lease_over(lease);
  log::trace("lease ", lease, " ended: ", status);
  context_.to_client(submitter, net::LeaseEnded{lease, status});
}

void Placement::infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) {
  log::info("refused a demand of client ", submitter, ": ", why);
  context_.to_client(submitter, net::Infeasible{shape, why});
}

void Placement::ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) {
  context_.to_client(submitter, net::AskBack{shape, count, self_});
}

void Placement::bundle_reserved(const Bundle& bundle, std::uint32_t attempt) {
  context_.bundle_reserved({bundle, attempt});
}

}  // namespace manta::node
