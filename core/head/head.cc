#include "core/head/head.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

namespace manta::head {

namespace {

std::string seconds(Time time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g s", std::chrono::duration<double>(time).count());
  return text.data();
}

// By which factor the node is too small, summed over all that it lacks; what it has none of counts most.
double shortage(const sched::ResourceSet& request, const sched::ResourceSet& offer) {
  constexpr double kNone = 1e6;
  double sum = 0;
  const auto add = [&](double asked, double offered) {
    if (asked > offered) {
      sum += offered > 0 ? asked / offered : kNone;
    }
  };
  add(request.cpus.to_double(), offer.cpus.to_double());
  add(request.gpus.to_double(), offer.gpus.to_double());
  add(static_cast<double>(request.memory_bytes), static_cast<double>(offer.memory_bytes));
  for (const sched::NamedAmount& asked : request.named) {
    const auto found = std::find_if(offer.named.begin(), offer.named.end(),
                                    [&](const sched::NamedAmount& resource) { return resource.name == asked.name; });
    add(asked.amount.to_double(), found == offer.named.end() ? 0 : found->amount.to_double());
  }
  return sum;
}

}  // namespace

Head::Head(HeadConfig config, HeadEffects& effects) : config_(config), effects_(effects) {}

Result<void> Head::node_joined(NodeId id, const sched::ResourceSet& total, const std::string& host, Time now) {
  if (!id || used_nodes_.contains(id.value)) {
    return fail(ErrorCode::invalid_argument, "node " + std::to_string(id.value) + " (" + host +
                                                 ") cannot join: its id was used before; start the daemon anew, "
                                                 "which gives it a fresh id");
  }
  used_nodes_.insert(id.value);
  nodes_.emplace(id, Node{sched::Ledger(total), host, now, {}});
  by_heartbeat_.emplace(now, id);
  return {};
}

void Head::node_left(NodeId id, const std::string& status, Time) {
  if (nodes_.contains(id)) {
    bury({id}, status);
  }
}

void Head::heartbeat(NodeId id, Time now) {
  const auto node = nodes_.find(id);
  if (node == nodes_.end() || now <= node->second.last_heartbeat) {
    return;
  }
  by_heartbeat_.erase({node->second.last_heartbeat, id});
  by_heartbeat_.emplace(now, id);
  node->second.last_heartbeat = now;
}

Result<void> Head::client_joined(ClientId id, NodeId node_id, ClientKind kind, Time) {
  const std::string who = "client " + std::to_string(id.value);
  if (!id || used_clients_.contains(id.value)) {
    return fail(ErrorCode::invalid_argument,
                who + " cannot join: its id was used before; every process needs a fresh id");
  }
  const auto node = nodes_.find(node_id);
  if (node == nodes_.end()) {
    return fail(ErrorCode::unavailable, who + " cannot join: its node " + std::to_string(node_id.value) +
                                            " is not alive; start it on a node of the cluster");
  }
  used_clients_.insert(id.value);
  clients_.emplace(id, Client{node_id, kind});
  node->second.clients.insert(id);
  return {};
}

void Head::client_left(ClientId id, const std::string& status, Time) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) {
    return;
  }
  const Client client = found->second;
  nodes_.find(client.node)->second.clients.erase(id);
  clients_.erase(found);
  announce_end(id, client.kind, status);
}

// To all that live: the death, and the end of the job where it was a driver (HEAD-2, HEAD-4).
void Head::announce_end(ClientId id, ClientKind kind, const std::string& status) {
  std::erase_if(names_, [&](const auto& named) { return named.second.owner == id; });  // HEAD-5
  for (const auto& [to, node] : nodes_) {
    effects_.announce_client_death(to, id, status);
  }
  if (kind == ClientKind::driver) {
    for (const auto& [to, node] : nodes_) {
      effects_.end_job(to, id);
    }
  }
}

// All of them are forgotten before anything is announced: no announcement goes to a dead node.
void Head::bury(const std::vector<NodeId>& dead, const std::string& status) {
  struct Dead {
    NodeId node;
    std::vector<std::pair<ClientId, ClientKind>> clients;
  };
  std::vector<Dead> buried;
  for (NodeId id : dead) {
    const auto node = nodes_.find(id);
    Dead& entry = buried.emplace_back(Dead{id, {}});
    for (ClientId client : node->second.clients) {
      entry.clients.emplace_back(client, clients_.find(client)->second.kind);
      clients_.erase(client);
    }
    by_heartbeat_.erase({node->second.last_heartbeat, id});
    nodes_.erase(node);
  }
  for (const Dead& entry : buried) {
    for (const auto& [client, kind] : entry.clients) {
      announce_end(client, kind, "ended with its node " + std::to_string(entry.node.value) + ": " + status);
    }
    for (const auto& [to, node] : nodes_) {
      effects_.announce_node_death(to, entry.node, status);
    }
  }
}

const Named* Head::register_name(const std::string& name, Named actor) {
  const auto [place, is_new] = names_.try_emplace(name, std::move(actor));
  return is_new ? nullptr : &place->second;
}

const Named* Head::find_name(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

void Head::drop_name(const std::string& name, const ObjectId& actor) {
  const auto found = names_.find(name);
  if (found != names_.end() && found->second.actor == actor) {
    names_.erase(found);
  }
}

Time Head::tick(Time now) {
  std::vector<NodeId> overdue;
  for (const auto& [last, node] : by_heartbeat_) {
    if (now - last < config_.heartbeat_timeout) {
      break;
    }
    overdue.push_back(node);
  }
  if (!overdue.empty()) {
    bury(overdue, "no heartbeat for " + seconds(config_.heartbeat_timeout));
  }
  return next_tick();
}

Time Head::next_tick() const {
  if (by_heartbeat_.empty() || config_.heartbeat_timeout > Time::max() - by_heartbeat_.begin()->first) {
    return Time::max();
  }
  return by_heartbeat_.begin()->first + config_.heartbeat_timeout;
}

NodeId Head::node_of(ClientId client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? NodeId() : found->second.node;
}

bool Head::alive(ClientId client) const { return clients_.contains(client); }

std::string Head::why_infeasible(const sched::ResourceSet& request) const {
  const std::string cannot = "no live node can ever run a task that needs " + request.to_string() + ": ";
  if (nodes_.empty()) {
    return cannot + "there is no live node; start one";
  }
  const std::pair<const NodeId, Node>* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& entry : nodes_) {
    if (entry.second.offer.feasible(request)) {
      return "";
    }
    if (const double lacks = shortage(request, entry.second.offer.total()); nearest == nullptr || lacks < least) {
      nearest = &entry;
      least = lacks;
    }
  }
  return cannot + "of " + std::to_string(nodes_.size()) + ", " + nearest->second.host + " (node " +
         std::to_string(nearest->first.value) + ") comes nearest, and the task " +
         nearest->second.offer.why_infeasible(request) + "; ask for less, or add a node that has it";
}

std::string Head::check_invariants() const {
  const auto number = [](auto id) { return std::to_string(id.value); };
  std::size_t on_nodes = 0;
  for (const auto& [id, node] : nodes_) {
    if (!used_nodes_.contains(id.value)) {
      return "HEAD-1: node " + number(id) + " is alive, but could join again";
    }
    if (!by_heartbeat_.contains({node.last_heartbeat, id})) {
      return "HEAD-3: the head does not watch the heartbeats of node " + number(id);
    }
    on_nodes += node.clients.size();
  }
  if (by_heartbeat_.size() != nodes_.size()) {
    return "HEAD-3: heartbeats of a dead node are watched";
  }
  for (const auto& [id, client] : clients_) {
    const auto node = nodes_.find(client.node);
    if (node == nodes_.end() || !node->second.clients.contains(id)) {
      return "HEAD-3: client " + number(id) + " outlives its node " + number(client.node);
    }
    if (!used_clients_.contains(id.value)) {
      return "HEAD-1: client " + number(id) + " is alive, but could join again";
    }
  }
  return on_nodes == clients_.size() ? "" : "HEAD-3: a node has clients that are dead";
}

}  // namespace manta::head
