#include "core/sched/group_planner.h"

#include <algorithm>
#include <functional>
#include <tuple>

namespace manta::sched {

namespace {

constexpr Time kFirstPatience = std::chrono::milliseconds(200);
constexpr Time kLongestPatience = std::chrono::seconds(10);
constexpr Time kLookAgain = std::chrono::milliseconds(5);
constexpr int kMostSteps = 20'000;  // of one search

const char* const kGone = "its placement group was removed";

NamedAmount* find_named(ResourceSet& set, const std::string& name) {
  const auto it = std::find_if(set.named.begin(), set.named.end(), [&](const auto& n) { return n.name == name; });
  return it == set.named.end() ? nullptr : &*it;
}

// GPUs by their sum: which of them, the node knows.
bool take(ResourceSet& from, const ResourceSet& request) {
  if (request.cpus > from.cpus || request.gpus > from.gpus || request.memory_bytes > from.memory_bytes) return false;
  for (const NamedAmount& asked : request.named) {
    const NamedAmount* has = find_named(from, asked.name);
    if (has == nullptr || has->amount < asked.amount) return false;
  }
  from.cpus -= request.cpus;
  from.gpus -= request.gpus;
  from.memory_bytes -= request.memory_bytes;
  for (const NamedAmount& asked : request.named) find_named(from, asked.name)->amount -= asked.amount;
  return true;
}

}  // namespace

bool GroupPlanner::Group::complete() const {
  return std::all_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.reserved; });
}

bool GroupPlanner::Group::planned() const {
  return std::all_of(slots.begin(), slots.end(), [](const Slot& slot) { return static_cast<bool>(slot.node); });
}

// Depth first, the biggest bundles first, the nodes that the strategy prefers first; bounded, so that a group of many
// bundles on a full cluster may be found not to fit although it would, and then waits.
bool GroupPlanner::search(const Group& group, Free free, Plan& plan) {
  const bool spread = group.strategy == GroupStrategy::spread || group.strategy == GroupStrategy::strict_spread;
  const bool strict = group.strategy == GroupStrategy::strict_pack || group.strategy == GroupStrategy::strict_spread;
  std::map<NodeId, int> used;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    group.slots[i].node ? static_cast<void>(++used[group.slots[i].node]) : open.push_back(i);
  }
  const auto size = [&](std::size_t i) {
    const ResourceSet& r = group.slots[i].request;
    return std::tuple(r.gpus, r.cpus, r.memory_bytes, r.named.size());
  };
  std::stable_sort(open.begin(), open.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  int steps = 0;
  const std::function<bool(std::size_t)> place = [&](std::size_t n) {
    if (n == open.size()) return true;
    std::vector<NodeId> nodes;
    for (const auto& [node, left] : free) {
      const bool has = used.contains(node) && used[node] > 0;
      const bool other = std::any_of(used.begin(), used.end(), [&](const auto& u) { return u.second > 0; });
      if (strict && (spread ? has : !has && other)) continue;
      nodes.push_back(node);
    }
    std::stable_sort(nodes.begin(), nodes.end(), [&](NodeId a, NodeId b) {
      if (used[a] != used[b]) return spread ? used[a] < used[b] : used[a] > used[b];
      return free.at(a).cpus > free.at(b).cpus;
    });
    for (const NodeId node : nodes) {
      if (++steps > kMostSteps) return false;
      const ResourceSet before = free.at(node);
      if (!take(free.at(node), group.slots[open[n]].request)) continue;
      ++used[node];
      plan.emplace_back(open[n], node);
      if (place(n + 1)) return true;
      plan.pop_back();
      --used[node];
      free.at(node) = before;
    }
    return false;
  };
  return place(0);
}

Result<std::uint64_t> GroupPlanner::create(ClientId creator, std::vector<ResourceSet> bundles,
                                           GroupStrategy strategy, Time now) {
  Group group;
  group.creator = creator;
  group.strategy = strategy;
  group.patience = kFirstPatience;
  for (ResourceSet& bundle : bundles) group.slots.push_back({std::move(bundle), {}, false, false, 0});
  if (const std::string why = why_never(group, total_); !why.empty()) {
    return fail(ErrorCode::invalid_argument, why + "; ask for less, or add nodes");
  }
  const std::uint64_t id = next_++;
  const Group& made = groups_[id] = std::move(group);
  show(id, made);
  look(now);
  return id;
}

std::string GroupPlanner::why_never(const Group& group, const Free& nodes) {
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    const ResourceSet& request = group.slots[i].request;
    const auto holds = [&](const auto& node) { return Ledger(node.second).feasible(request); };
    if (std::any_of(nodes.begin(), nodes.end(), holds)) continue;
    std::string offers;
    for (const auto& [id, total] : nodes) {
      offers += (offers.empty() ? "" : ", ") + ("node " + std::to_string(id.value)) + " has " + total.to_string();
    }
    return "bundle " + std::to_string(i) + " of the placement group needs " + request.to_string() +
           ", which no node has: " + offers;
  }
  Plan plan;
  if (search(group, nodes, plan)) return "";
  const char* const names[] = {"", "", ", all on one node (strict_pack)", ", each on a node of its own (strict_spread)"};
  return "the " + std::to_string(group.slots.size()) + " bundles of the placement group" +
         names[static_cast<std::size_t>(group.strategy)] + " do not fit on the cluster's " +
         std::to_string(nodes.size()) + (nodes.size() == 1 ? " node" : " nodes") + " even if all are idle";
}

// --- ends

void GroupPlanner::end(std::uint64_t id) {
  const auto it = groups_.find(id);
  for (std::size_t i = 0; i < it->second.slots.size(); ++i) {
    const Slot& slot = it->second.slots[i];
    if (slot.node) effects_.release(slot.node, {id, static_cast<std::uint32_t>(i)}, kGone);
  }
  groups_.erase(it);
  effects_.gone(id);
}

void GroupPlanner::remove(std::uint64_t id, ClientId creator, Time now) {
  const auto it = groups_.find(id);
  if (it == groups_.end() || it->second.creator != creator) return;
  end(id);
  look(now);
}

void GroupPlanner::client_left(ClientId creator, Time now) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, group] : groups_) {
    if (group.creator == creator) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) end(id);
  if (!ids.empty()) look(now);
}

// --- nodes

void GroupPlanner::node_joined(NodeId node, const ResourceSet& total, Time now) {
  total_[node] = available_[node] = total;
  look(now);
}

void GroupPlanner::node_left(NodeId node, Time now) {
  total_.erase(node);
  available_.erase(node);
  for (auto& [id, group] : groups_) {
    bool changed = false;
    for (Slot& slot : group.slots) {
      if (slot.node != node) continue;
      changed = changed || slot.shown;
      slot = {slot.request, {}, false, false, 0};
    }
    if (changed) show(id, group);
  }
  look(now);
}

void GroupPlanner::view(NodeId node, const ResourceSet& available) {
  if (const auto it = available_.find(node); it != available_.end()) it->second = available;
}

void GroupPlanner::reserved(NodeId node, const Bundle& bundle, std::uint32_t attempt, Time now) {
  const auto it = groups_.find(bundle.group);
  if (it == groups_.end() || bundle.index >= it->second.slots.size()) return;
  Group& group = it->second;
  Slot& slot = group.slots[bundle.index];
  if (slot.node != node || slot.reserved || slot.attempt != attempt) return;
  slot.reserved = true;
  if (!group.complete()) return;
  group.patience_end = kNever;
  group.patience = kFirstPatience;
  for (Slot& each : group.slots) each.shown = true;
  show(bundle.group, group);
  look(now);
}

// --- planning

void GroupPlanner::show(std::uint64_t id, const Group& group) {
  std::vector<NodeId> nodes;
  for (const Slot& slot : group.slots) nodes.push_back(slot.shown ? slot.node : NodeId{});
  effects_.placed(id, nodes);
}

std::map<std::uint64_t, std::vector<NodeId>> GroupPlanner::all() const {
  std::map<std::uint64_t, std::vector<NodeId>> all;
  for (const auto& [id, group] : groups_) {
    for (const Slot& slot : group.slots) all[id].push_back(slot.shown ? slot.node : NodeId{});
  }
  return all;
}

// What nodes say, less what was asked of them and is not there yet.
GroupPlanner::Free GroupPlanner::free_now() const {
  Free free = available_;
  for (const auto& [id, group] : groups_) {
    for (const Slot& slot : group.slots) {
      if (slot.node && !slot.reserved) {
        if (const auto it = free.find(slot.node); it != free.end() && !take(it->second, slot.request)) it->second = {};
      }
    }
  }
  return free;
}

// What would be free if nothing but groups held anything.
GroupPlanner::Free GroupPlanner::free_of_groups() const {
  Free free = total_;
  for (const auto& [id, group] : groups_) {
    for (const Slot& slot : group.slots) {
      if (slot.node) {
        if (const auto it = free.find(slot.node); it != free.end()) (void)take(it->second, slot.request);
      }
    }
  }
  return free;
}

void GroupPlanner::plan(std::uint64_t id, Group& group, const Plan& plan, Time now) {
  group.patience_end = now + group.patience;
  group.patience = std::min(2 * group.patience, kLongestPatience);
  for (const auto& [slot, node] : plan) group.slots[slot].node = node;
  ++group.attempts;
  for (const auto& [slot, node] : plan) {
    group.slots[slot].attempt = group.attempts;
    effects_.reserve(node, {id, static_cast<std::uint32_t>(slot)}, group.attempts, group.slots[slot].request);
  }
}

// Of what was placed before it keeps all.
void GroupPlanner::give_up(std::uint64_t id, Group& group) {
  group.patience_end = kNever;
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    Slot& slot = group.slots[i];
    if (!slot.node || slot.shown) continue;
    effects_.release(slot.node, {id, static_cast<std::uint32_t>(i)}, "its placement group is being placed elsewhere");
    slot = {slot.request, {}, false, false, 0};
  }
}

bool GroupPlanner::another_waits(std::uint64_t than) const {
  return std::any_of(groups_.begin(), groups_.end(),
                     [&](const auto& group) { return group.first != than && !group.second.planned(); });
}

const ResourceSet* GroupPlanner::unplaced(std::uint64_t id) const {
  const auto group = groups_.find(id);
  if (group == groups_.end()) return nullptr;
  for (const Slot& slot : group->second.slots) {
    if (!slot.reserved) return &slot.request;
  }
  return nullptr;
}

bool GroupPlanner::waiting() const {
  return std::any_of(groups_.begin(), groups_.end(), [](const auto& group) { return !group.second.complete(); });
}

void GroupPlanner::look(Time now) {
  next_look_ = now;
  tick(now);
}

Time GroupPlanner::tick(Time now) {
  if (!waiting()) return kNever;
  if (now < next_look_) return next_look_;
  next_look_ = now + kLookAgain;
  // Who has waited long enough for what it asked for gives way, if that helps it or others.
  bool queued = false;
  for (auto& [id, group] : groups_) {
    if (!group.planned() || group.complete()) continue;
    Plan elsewhere;
    Group anew = group;
    for (Slot& slot : anew.slots) slot.node = slot.shown ? slot.node : NodeId{};
    if (now >= group.patience_end && (another_waits(id) || search(anew, free_now(), elsewhere))) {
      give_up(id, group);
    } else {
      queued = true;
    }
  }
  for (auto& [id, group] : groups_) {
    Plan chosen;
    if (!group.planned() && search(group, free_now(), chosen)) plan(id, group, chosen, now);
  }
  // One that nothing free would hold queues, the next after the one that did last.
  for (int round = 0; round < 2 && !queued; ++round) {
    for (auto& [id, group] : groups_) {
      Plan chosen;
      if (queued || group.planned() || (round == 0 && id <= last_queued_)) continue;
      if (!search(group, free_of_groups(), chosen)) continue;
      plan(id, group, chosen, now);
      last_queued_ = id;
      queued = true;
    }
  }
  return next_look_;
}

}  // namespace manta::sched
