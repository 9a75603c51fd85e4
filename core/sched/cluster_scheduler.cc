#include "core/sched/cluster_scheduler.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace manta::sched {

namespace {

constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

Amount amount_of(const ResourceSet& set, const std::string& name) {
  const auto it =
      std::find_if(set.named.begin(), set.named.end(), [&](const NamedAmount& n) { return n.name == name; });
  return it == set.named.end() ? Amount() : it->amount;
}

// How often the request fits; GPUs by their sum.
std::uint64_t times(const ResourceSet& available, const ResourceSet& request) {
  std::uint64_t n = kUnbounded;
  const auto limit = [&](std::int64_t have, std::int64_t asked) {
    if (asked > 0) n = std::min(n, static_cast<std::uint64_t>(std::max<std::int64_t>(have, 0) / asked));
  };
  limit(available.cpus.units(), request.cpus.units());
  limit(available.gpus.units(), request.gpus.units());
  limit(static_cast<std::int64_t>(available.memory_bytes), static_cast<std::int64_t>(request.memory_bytes));
  for (const NamedAmount& named : request.named) limit(amount_of(available, named.name).units(), named.amount.units());
  return n;
}

double used_part(const ResourceSet& total, const ResourceSet& available) {
  double most = 0;
  const auto part = [&](Amount all, Amount left) {
    if (!all.zero()) most = std::max(most, 1 - left.to_double() / all.to_double());
  };
  part(total.cpus, available.cpus);
  part(total.gpus, available.gpus);
  return most;
}

// An actor that takes nothing of a node but a process.
bool is_weightless(const ResourceSet& request) {
  return request.own_worker && request.cpus.zero() && request.gpus.zero() && request.memory_bytes == 0 &&
         request.named.empty();
}

}  // namespace

void ClusterScheduler::node_joined(NodeId id, const std::string& host, const ResourceSet& total) {
  nodes_.insert_or_assign(id, Node{host, total, total, {}});
  replan();
}

void ClusterScheduler::node_left(NodeId id) {
  nodes_.erase(id);
  spread_.erase(id);
  weightless_.erase(id);
  for (auto& [key, demand] : demands_) {
    if (demand.held.contains(id)) lease_of_actor_over(demand, id);
    demand.shares.erase(id);
    demand.held.erase(id);
  }
  std::erase_if(demands_, [](const auto& demand) { return demand.second.wanted == 0 && demand.second.held.empty(); });
  std::erase_if(leases_, [&](const auto& lease) { return node_of(lease.first) == id; });
  replan();
}

void ClusterScheduler::view(NodeId id, const ResourceSet& available, std::map<Key, std::uint32_t> held) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return;
  it->second.available = available;
  it->second.held = std::move(held);
}

void ClusterScheduler::set_demand(ClientId client, ShapeIndex shape, const ResourceSet& request, const Where& where,
                                  std::uint32_t wanted) {
  const Key key{client, shape};
  const auto [it, fresh] = demands_.try_emplace(key);
  if (it->second.wanted == 0 && wanted > 0 && where.policy == Placement::spread) it->second.turn = ++turn_;
  count(it->second, -1);
  it->second.request = request;
  it->second.where = where;
  it->second.wanted = wanted;
  count(it->second, 1);
  plan(key);
}

void ClusterScheduler::client_left(ClientId client) {
  std::erase_if(demands_, [&](const auto& demand) {
    if (demand.first.first != client) return false;
    count(demand.second, -1);
    return true;
  });
  std::erase_if(leases_, [&](const auto& lease) { return lease.second.first == client; });
}

void ClusterScheduler::granted(LeaseId lease, ClientId client, ShapeIndex shape) {
  const auto it = demands_.find({client, shape});
  if (it == demands_.end() || !leases_.try_emplace(lease, it->first).second) return;
  ++it->second.held[node_of(lease)];
}

void ClusterScheduler::lease_over(LeaseId lease) {
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return;
  const Key key = it->second;
  leases_.erase(it);
  const auto demand = demands_.find(key);
  if (demand == demands_.end()) return;
  const auto held = demand->second.held.find(node_of(lease));
  if (held != demand->second.held.end() && --held->second == 0) demand->second.held.erase(held);
  lease_of_actor_over(demand->second, node_of(lease));
  drop_if_unused(key);
}

// SCHED-9: the node wants no other worker for it any more. Its client states the demand again if the actor is to start
// once more.
void ClusterScheduler::lease_of_actor_over(Demand& demand, NodeId node) {
  if (!demand.request.own_worker || !demand.shares.contains(node)) return;
  count(demand, -1);
  demand.shares.clear();
  demand.wanted = 0;
}

void ClusterScheduler::drop_if_unused(const Key& key) {
  const auto it = demands_.find(key);
  if (it != demands_.end() && it->second.wanted == 0 && it->second.held.empty()) demands_.erase(it);
}

void ClusterScheduler::replan() {
  std::vector<Key> keys;
  for (const auto& [key, demand] : demands_) {
    if (demand.wanted > 0 && !settled(demand)) keys.push_back(key);
  }
  for (const Key& key : keys) plan(key);
}

std::string ClusterScheduler::others() const {
  std::string text;
  for (const auto& [id, node] : nodes_) {
    if (id == self_) continue;
    text += (text.empty() ? "" : ", ") + node.host + " (node " + std::to_string(id.value) +
            "): " + node.total.to_string() + ", free " + node.available.to_string();
  }
  return text;
}

std::uint32_t ClusterScheduler::share(NodeId node, ClientId client, ShapeIndex shape) const {
  const auto it = demands_.find({client, shape});
  if (it == demands_.end()) return 0;
  const auto share = it->second.shares.find(node);
  return share == it->second.shares.end() ? 0 : share->second;
}

std::vector<ClusterScheduler::Candidate> ClusterScheduler::candidates(const Key& key, const Demand& demand) const {
  std::vector<Candidate> found;
  for (const auto& [id, node] : nodes_) {
    if (times(node.total, demand.request) == 0) continue;
    // What it said last, and what has been heard since: either may be the newer.
    const auto heard = demand.held.find(id);
    const auto said = node.held.find(key);
    std::uint64_t has = heard == demand.held.end() ? 0 : heard->second;
    if (said != node.held.end()) has = std::max<std::uint64_t>(has, said->second);
    if (id == self_) has = effects_.held_here(key.first, key.second);
    found.push_back({id, has, has + times(node.available, demand.request), used_part(node.total, node.available), 0});
  }
  if (!demand.where.node) return found;
  const auto elsewhere = [&](const Candidate& c) { return c.node != demand.where.node; };
  const bool there = !std::all_of(found.begin(), found.end(), elsewhere);
  if (there || !demand.where.soft) std::erase_if(found, elsewhere);
  return found;
}

// What is held already stays where it is. Then this node while it has capacity, then others, fullest first; what fits
// nowhere now waits here, or evenly elsewhere.
void ClusterScheduler::pack(const Demand& demand, std::vector<Candidate>& nodes) const {
  std::sort(nodes.begin(), nodes.end(), [&](const Candidate& a, const Candidate& b) {
    if ((a.node == self_) != (b.node == self_)) return a.node == self_;
    return a.used != b.used ? a.used > b.used : a.node < b.node;
  });
  std::uint32_t left = demand.wanted;
  for (const bool only_held : {true, false}) {
    for (Candidate& node : nodes) {
      const std::uint64_t up_to = only_held ? node.held : node.room;
      const auto more = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, up_to - node.share));
      node.share += more;
      left -= more;
    }
  }
  if (nodes.front().node == self_) {
    nodes.front().share += left;
  } else {
    for (std::uint32_t i = 0; i < left; ++i) ++nodes[i % nodes.size()].share;
  }
}

// Each lease to the node with the fewest of them that fits it; where none does, to the one with the fewest. Of equal
// ones to where a lease is held already, then to where other demands have the fewest (CSCHED-4), then to where it was
// to go before, then in turns.
void ClusterScheduler::spread(const Demand& demand, std::vector<Candidate>& nodes) const {
  std::rotate(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(demand.turn % nodes.size()), nodes.end());
  std::map<NodeId, std::int64_t> others = spread_;
  for (const auto& [node, share] : demand.shares) others[node] -= share;
  const auto rank = [&](const Candidate& node) {
    return std::tuple(node.share >= node.room, node.share, node.held <= node.share, others[node.node],
                      !demand.shares.contains(node.node));
  };
  for (std::uint32_t i = 0; i < demand.wanted; ++i) {
    ++std::min_element(nodes.begin(), nodes.end(), [&](const Candidate& a, const Candidate& b) {
        return rank(a) < rank(b);
      })->share;
  }
}

void ClusterScheduler::pack_weightless(const Demand& demand, std::vector<Candidate>& nodes) const {
  std::map<NodeId, std::int64_t> others = weightless_;
  for (const auto& [node, share] : demand.shares) others[node] -= share;
  const auto cpus = [&](const Candidate& node) { return nodes_.at(node.node).total.cpus.to_double(); };
  const auto rank = [&](const Candidate& node) {
    const bool stays = demand.shares.contains(node.node) && node.share < demand.shares.at(node.node);
    const double there = static_cast<double>(others[node.node] + node.share);
    const bool room = there < cpus(node);
    // Where it does not fit, by how full it would be; nodes without CPUs come last.
    const double fullness = room ? -1 : cpus(node) > 0 ? (there + 1) / cpus(node) : 1e9 + there;
    return std::tuple(!stays, fullness, node.node != self_, -node.used, node.node);
  };
  for (std::uint32_t i = 0; i < demand.wanted; ++i) {
    ++std::min_element(nodes.begin(), nodes.end(), [&](const Candidate& a, const Candidate& b) {
        return rank(a) < rank(b);
      })->share;
  }
}

void ClusterScheduler::count(const Demand& demand, std::int64_t sign) {
  const bool spreads = demand.where.policy == Placement::spread;
  if (demand.where.bundle || (!spreads && !is_weightless(demand.request))) return;
  for (const auto& [node, share] : demand.shares) {
    if (nodes_.contains(node)) (spreads ? spread_ : weightless_)[node] += sign * share;
  }
}

// An actor that has its worker stays there.
bool ClusterScheduler::settled(const Demand& demand) const {
  return demand.request.own_worker && !demand.where.bundle && demand.wanted == 1 && demand.shares.size() == 1 &&
         demand.held.contains(demand.shares.begin()->first);
}

void ClusterScheduler::group_placed(std::uint64_t group, std::vector<NodeId> nodes) {
  groups_[group] = std::move(nodes);
  replan();
}

void ClusterScheduler::group_gone(std::uint64_t group) {
  if (groups_.erase(group) > 0) replan();
}

// All in one place. While the bundle has none, the demand waits.
void ClusterScheduler::plan_in_bundle(const Key& key) {
  const Demand& demand = demands_.at(key);
  std::map<NodeId, std::uint32_t> shares;
  if (demand.wanted > 0) {
    const auto [group, index] = demand.where.bundle;
    const auto it = groups_.find(group);
    if (it == groups_.end()) {
      return refuse(key, "placement group " + std::to_string(group) +
                             " was removed (its PlacementGroup, or the process that made it, is gone); keep it for as "
                             "long as its bundles are used");
    }
    if (index >= it->second.size()) {
      return refuse(key, "placement group " + std::to_string(group) + " has no bundle " + std::to_string(index) +
                             "; its bundles are 0 to " + std::to_string(it->second.size() - 1));
    }
    const NodeId node = it->second[index];
    if (node && nodes_.contains(node)) shares[node] = demand.wanted;
  }
  set_shares(key, std::move(shares));
}

// The demand is void.
void ClusterScheduler::refuse(const Key& key, const std::string& why) {
  set_shares(key, {});
  if (const auto it = demands_.find(key); it != demands_.end()) it->second.wanted = 0;
  drop_if_unused(key);
  effects_.refuse(key.first, key.second, why);
}

void ClusterScheduler::plan(const Key& key) {
  Demand& demand = demands_.at(key);
  if (demand.where.bundle) return plan_in_bundle(key);
  std::vector<Candidate> nodes;
  if (demand.wanted > 0) nodes = candidates(key, demand);
  if (demand.wanted > 0 && nodes.empty()) return refuse(key, why_nowhere(demand));
  if (!nodes.empty()) {
    demand.where.policy == Placement::spread ? spread(demand, nodes)
    : is_weightless(demand.request)          ? pack_weightless(demand, nodes)
                                             : pack(demand, nodes);
  }
  std::map<NodeId, std::uint32_t> shares;
  for (const Candidate& node : nodes) {
    if (node.share > 0) shares[node.node] = node.share;
  }
  set_shares(key, std::move(shares));
}

void ClusterScheduler::set_shares(const Key& key, std::map<NodeId, std::uint32_t> shares) {
  Demand& demand = demands_.at(key);
  // Shares that shrink go first, so that no client is granted more than it wants.
  std::vector<std::pair<NodeId, std::uint32_t>> less, more;
  for (const auto& [node, before] : demand.shares) {
    const auto now = shares.find(node);
    if (now == shares.end()) {
      less.emplace_back(node, 0);
    } else if (now->second < before) {
      less.emplace_back(node, now->second);
    }
  }
  for (const auto& [node, now] : shares) {
    const auto before = demand.shares.find(node);
    if (before == demand.shares.end() || before->second < now) more.emplace_back(node, now);
  }
  count(demand, -1);
  demand.shares = std::move(shares);
  count(demand, 1);
  const ResourceSet request = demand.request;
  const Bundle bundle = demand.where.bundle;
  drop_if_unused(key);
  for (const auto& changes : {less, more}) {
    for (const auto& [node, share] : changes) effects_.set_share(node, key.first, key.second, request, bundle, share);
  }
}

std::string ClusterScheduler::why_nowhere(const Demand& demand) const {
  const std::string needs = demand.request.to_string();
  const auto offer = [](NodeId id, const Node& node) {
    return node.host + " (node " + std::to_string(id.value) + ", which has " + node.total.to_string() + ")";
  };
  if (demand.where.node) {
    const auto it = nodes_.find(demand.where.node);
    if (it == nodes_.end()) {
      return "node " + std::to_string(demand.where.node.value) +
             ", to which TaskOptions::node binds it, is not alive; name one of Runtime::nodes(), or set node_soft";
    }
    return offer(it->first, it->second) + ", to which TaskOptions::node binds it, can never run a task that needs " +
           needs + "; ask for less, or set node_soft";
  }
  if (nodes_.size() == 1) {  // as the node itself would say it
    return "no worker of this node can ever be given " + needs + ": " +
           Ledger(nodes_.begin()->second.total).why_infeasible(demand.request) +
           "; ask for less, or add a node that has it";
  }
  std::string text = "no live node can ever run a task that needs " + needs + "; asked: ";
  for (const auto& [id, node] : nodes_) {
    if (text.back() != ' ') text += ", ";
    text += offer(id, node);
  }
  return text + "; ask for less, or add a node that has it";
}

}  // namespace manta::sched
