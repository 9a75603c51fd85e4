#include "core/node/head_service.h"

#include <algorithm>
#include <utility>

#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"

namespace manta::node {

namespace {

constexpr std::size_t kMostBundles = 10'000;

}  // namespace

HeadService::HeadService(NodeId self, HeadContext& context)
    : self_(self),
      context_(context),
      head_({.heartbeat_timeout = head::Time::max()}, *this),  // links have heartbeats of their own
      planner_(*this) {}

// --- members: joins cannot fail, as ids are fresh

void HeadService::node_joined(const net::NodeOfCluster& node, Time now) {
  (void)head_.node_joined(node.node, net::resources_of(node.total), node.host, now);
  nodes_.push_back(node.node);
  if (node.node != self_) {
    for (const auto& [group, nodes] : planner_.all()) context_.to_member(node.node, link::GroupAt{group, nodes});
  }
  planner_.node_joined(node.node, net::resources_of(node.total), now);
}

void HeadService::node_left(NodeId node, const std::string& status, Time now) {
  head_.node_left(node, status, now);  // which announces the deaths of its processes, then its own
  after_deaths(now);
}

void HeadService::client_joined(ClientId client, head::ClientKind kind, Time now) {
  (void)head_.client_joined(client, manta::node_of(client), kind, now);
}

void HeadService::client_left(ClientId client, const std::string& status, Time now) {
  head_.client_left(client, status, now);
  after_deaths(now);
}

void HeadService::view(NodeId node, const sched::ResourceSet& available) { planner_.view(node, available); }

// The planner must not be called in the middle of the head's events.
void HeadService::after_deaths(Time now) {
  for (const ClientId client : std::exchange(dead_clients_, {})) planner_.client_left(client, now);
  for (const NodeId node : std::exchange(dead_nodes_, {})) {
    std::erase(nodes_, node);
    planner_.node_left(node, now);
  }
}

HeadService::Time HeadService::tick(Time now) {
  const Time head = head_.tick(now);
  after_deaths(now);
  return planner_.waiting() ? std::min(head, planner_.tick(now)) : head;
}

// --- names and groups

net::Named HeadService::answer(std::uint64_t request, const head::Named* named) const {
  net::Named answer;
  answer.request = request;
  if (named != nullptr) answer = {request, true, named->actor, named->owner, named->type};
  return answer;
}

void HeadService::request(ClientId client, const HeadRequest& request, Time now) {
  std::visit(
      Overloaded{
          [&](const net::RegisterName& m) {
            const head::Named* named = head_.register_name(m.name, {m.actor, client, m.type});
            context_.to_client(client, answer(m.request, named));
          },
          [&](const net::FindName& m) { context_.to_client(client, answer(m.request, head_.find_name(m.name))); },
          [&](const net::DropName& m) { head_.drop_name(m.name, m.actor); },
          [&](const net::CreateGroup& m) { create_group(client, m, now); },
          [&](const net::RemoveGroup& m) { planner_.remove(m.group, client, now); },
      },
      request);
}

void HeadService::create_group(ClientId client, const net::CreateGroup& m, Time now) {
  net::GroupMade answer;
  answer.request = m.request;
  const auto most = static_cast<std::uint8_t>(GroupStrategy::strict_spread);
  if (m.bundles.empty() || m.bundles.size() > kMostBundles || m.strategy > most) {
    answer.why = "a placement group has from 1 to " + std::to_string(kMostBundles) + " bundles, this one " +
                 std::to_string(m.bundles.size());
    return context_.to_client(client, answer);
  }
  std::vector<sched::ResourceSet> bundles;
  for (const net::WireResources& bundle : m.bundles) bundles.push_back(net::resources_of(bundle));
  auto made = planner_.create(client, std::move(bundles), static_cast<GroupStrategy>(m.strategy), now);
  made ? static_cast<void>(answer.group = *made) : static_cast<void>(answer.why = made.error().message());
  context_.to_client(client, answer);
}

void HeadService::bundle_reserved(NodeId node, const link::BundleReserved& reserved, Time now) {
  planner_.reserved(node, reserved.bundle, reserved.attempt, now);
}

// --- effects

void HeadService::announce_client_death(NodeId to, ClientId client, const std::string& status) {
  if (to == self_) dead_clients_.push_back(client);
  context_.to_member(to, link::Membership(link::ClientDown{client, status}));
}

void HeadService::announce_node_death(NodeId to, NodeId dead, const std::string& status) {
  if (to == self_) dead_nodes_.push_back(dead);
  context_.to_member(to, link::Membership(link::NodeDown{dead, status}));
}

void HeadService::end_job(NodeId to, ClientId driver) {
  if (to == self_) context_.end_job(driver);
}

void HeadService::reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const sched::ResourceSet& request) {
  context_.to_member(node, link::Message(link::ReserveBundle{bundle, attempt, net::wire_of(request)}));
}

void HeadService::release(NodeId node, const Bundle& bundle, const std::string& why) {
  context_.to_member(node, link::Message(link::ReleaseBundle{bundle, why}));
}

void HeadService::placed(std::uint64_t group, const std::vector<NodeId>& nodes) {
  for (const NodeId node : nodes_) context_.to_member(node, link::Message(link::GroupAt{group, nodes}));
}

void HeadService::gone(std::uint64_t group) {
  for (const NodeId node : nodes_) context_.to_member(node, link::Message(link::GroupGone{group}));
}

}  // namespace manta::node
