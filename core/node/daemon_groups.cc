// Placement groups: the head chooses the node of each bundle, that node reserves it, and all know where groups are.
#include <boost/asio/post.hpp>

#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon.h"

namespace manta::node {

namespace {
constexpr std::size_t kMostBundles = 10'000;
}  // namespace

// A node that is alone needs it for demands in bundles only.
sched::ClusterScheduler& Daemon::placing() {
  if (!placing_) {
    placing_ = std::make_unique<sched::ClusterScheduler>(self_, static_cast<sched::ClusterSchedulerEffects&>(*this));
    placing_->node_joined(self_, host_, net::resources_of(config_.total));
  }
  return *placing_;
}

// --- from clients

void Daemon::create_group(ClientId client, const net::CreateGroup& m) {
  if (!is_head()) return relay(client, Cluster::kHead, m);
  net::GroupMade answer;
  answer.request = m.request;
  const auto most = static_cast<std::uint8_t>(GroupStrategy::strict_spread);
  if (m.bundles.empty() || m.bundles.size() > kMostBundles || m.strategy > most) {
    answer.why = "a placement group has from 1 to " + std::to_string(kMostBundles) + " bundles, this one " +
                 std::to_string(m.bundles.size());
    return to_client(client, answer);
  }
  std::vector<sched::ResourceSet> bundles;
  for (const net::WireResources& bundle : m.bundles) bundles.push_back(net::resources_of(bundle));
  planner_.view(self_, scheduler_.ledger().available());
  auto made = planner_.create(client, std::move(bundles), static_cast<GroupStrategy>(m.strategy), now());
  made ? static_cast<void>(answer.group = *made) : static_cast<void>(answer.why = made.error().message());
  to_client(client, answer);
}

void Daemon::remove_group(ClientId client, const net::RemoveGroup& m) {
  if (!is_head()) return relay(client, Cluster::kHead, m);
  planner_.remove(m.group, client, now());
}

// --- the planner's effects

void Daemon::reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const sched::ResourceSet& request) {
  if (node == self_) return scheduler_.reserve(bundle, attempt, request, now());
  cluster_->send(node, link::ReserveBundle{bundle, attempt, net::wire_of(request)});
}

void Daemon::release(NodeId node, const Bundle& bundle, const std::string& why) {
  if (node == self_) return scheduler_.release(bundle, why, now());
  cluster_->send(node, link::ReleaseBundle{bundle, why});
}

void Daemon::placed(std::uint64_t group, const std::vector<NodeId>& nodes) {
  for (const auto& node : nodes_) {
    if (node.node != self_) cluster_->send(node.node, link::GroupAt{group, nodes});
  }
  placing().group_placed(group, nodes);
}

void Daemon::gone(std::uint64_t group) {
  for (const auto& node : nodes_) {
    if (node.node != self_) cluster_->send(node.node, link::GroupGone{group});
  }
  placing().group_gone(group);
}

// --- at each node

// Within an event of the scheduler, which may be one of the planner's.
void Daemon::bundle_reserved(const Bundle& bundle, std::uint32_t attempt) {
  if (!is_head()) return cluster_->send(Cluster::kHead, link::BundleReserved{bundle, attempt});
  boost::asio::post(io_, [this, bundle, attempt] {
    planner_.view(self_, scheduler_.ledger().available());
    planner_.reserved(self_, bundle, attempt, now());
    schedule_tick();
  });
}

void Daemon::tell_of_groups(NodeId node) {
  for (const auto& [group, nodes] : planner_.all()) cluster_->send(node, link::GroupAt{group, nodes});
}

sched::Time Daemon::plan_groups(sched::Time at) {
  if (!is_head() || !planner_.waiting()) return sched::kNever;
  planner_.view(self_, scheduler_.ledger().available());
  return planner_.tick(at);
}

void Daemon::on_group_message(NodeId from, const link::Message& message) {
  if (const auto* reserved = std::get_if<link::BundleReserved>(&message)) {
    if (is_head()) planner_.reserved(from, reserved->bundle, reserved->attempt, now());
    return;
  }
  if (from != Cluster::kHead) return;
  if (const auto* reserve = std::get_if<link::ReserveBundle>(&message)) {
    scheduler_.reserve(reserve->bundle, reserve->attempt, net::resources_of(reserve->request), now());
  } else if (const auto* release = std::get_if<link::ReleaseBundle>(&message)) {
    scheduler_.release(release->bundle, release->why, now());
  } else if (const auto* at = std::get_if<link::GroupAt>(&message)) {
    placing().group_placed(at->group, at->nodes);
  } else if (const auto* gone = std::get_if<link::GroupGone>(&message)) {
    placing().group_gone(gone->group);
  }
}

}  // namespace manta::node
