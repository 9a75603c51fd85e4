#include "core/sched/group_planner.h"

#include <algorithm>
#include <tuple>

namespace manta::sched {

namespace {

constexpr Time kFirstPatience = std::chrono::milliseconds(200);
constexpr Time kLongestPatience = std::chrono::seconds(10);
constexpr Time kLookAgain = std::chrono::milliseconds(5);
constexpr Time kPatienceOfABundle = std::chrono::microseconds(100);  // more, for each: they are reserved one by one
constexpr std::size_t kMostSteps = 20'000;                           // of one search, and two for each bundle

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

void give_back(ResourceSet& to, const ResourceSet& request) {
  to.cpus += request.cpus;
  to.gpus += request.gpus;
  to.memory_bytes += request.memory_bytes;
  for (const NamedAmount& given : request.named) find_named(to, given.name)->amount += given.amount;
}

}  // namespace

Time GroupPlanner::Group::first_patience() const {
  return kFirstPatience + static_cast<Time::rep>(slots.size()) * kPatienceOfABundle;
}

void GroupPlanner::Group::clear(Slot& slot) {
  slots_planned -= slot.node ? 1 : 0;
  slots_reserved -= slot.reserved ? 1 : 0;
  slot = {slot.request, {}, false, false, 0};
}

// Depth first, the biggest bundles first, the nodes that the strategy prefers first; bounded, so that a group of many
// bundles on a full cluster may be found not to fit although it would, and then waits.
class GroupPlanner::Search {
 public:
  Search(const Group& group, const Free& free)
      : group_(group),
        spread_(group.strategy == GroupStrategy::spread || group.strategy == GroupStrategy::strict_spread),
        strict_(group.strategy == GroupStrategy::strict_pack || group.strategy == GroupStrategy::strict_spread) {
    for (const auto& [id, left] : free) nodes_.push_back({id, left, 0});
    for (std::size_t i = 0; i < group.slots.size(); ++i) {
      group.slots[i].node ? count(group.slots[i].node) : open_.push_back(i);
    }
    const auto size = [&](std::size_t i) {
      const ResourceSet& r = group.slots[i].request;
      return std::tuple(r.gpus, r.cpus, r.memory_bytes, r.named.size());
    };
    std::stable_sort(open_.begin(), open_.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  }

  // A node for each bundle that has none. False: none was found.
  bool run(Plan& plan) {
    std::vector<Choice> choices;  // one for each bundle placed, and for the next
    std::size_t steps = 2 * open_.size() + kMostSteps;
    while (choices.size() < open_.size()) {
      choices.push_back({candidates(), 0, 0});
      while (!choices.empty() && !place(open_[choices.size() - 1], choices.back())) go_back(choices);
      if (choices.empty() || steps-- == 0) return false;
    }
    for (std::size_t n = 0; n < open_.size(); ++n) plan.emplace_back(open_[n], nodes_[choices[n].taken].id);
    return true;
  }

 private:
  struct Node {
    NodeId id;
    ResourceSet left;
    std::size_t used = 0;  // by how many bundles of the group
  };
  struct Choice {
    std::vector<std::size_t> nodes;  // in the order of preference
    std::size_t next = 0;            // to be tried
    std::size_t taken = 0;
  };

  void count(NodeId id) {
    others_used_ += 1;
    for (Node& node : nodes_) {
      if (node.id != id) continue;
      ++node.used;
      --others_used_;
    }
  }

  std::vector<std::size_t> candidates() const {
    const bool any_used =
        others_used_ > 0 || std::any_of(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.used > 0; });
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const bool has = nodes_[i].used > 0;
      if (strict_ && (spread_ ? has : !has && any_used)) continue;
      found.push_back(i);
    }
    std::stable_sort(found.begin(), found.end(), [&](std::size_t a, std::size_t b) {
      if (nodes_[a].used != nodes_[b].used) return (nodes_[a].used < nodes_[b].used) == spread_;
      return nodes_[a].left.cpus > nodes_[b].left.cpus;
    });
    return found;
  }

  bool place(std::size_t slot, Choice& choice) {
    while (choice.next < choice.nodes.size()) {
      choice.taken = choice.nodes[choice.next++];
      Node& node = nodes_[choice.taken];
      if (!take(node.left, group_.slots[slot].request)) continue;
      ++node.used;
      return true;
    }
    return false;
  }

  // The last found no node: back to the one before; of several equal ones to the first of them, as it does not matter
  // which of them is where.
  void go_back(std::vector<Choice>& choices) {
    const std::size_t failed = choices.size() - 1;
    const ResourceSet& request = group_.slots[open_[failed]].request;
    choices.pop_back();
    while (!choices.empty()) {
      const std::size_t last = choices.size() - 1;
      undo(open_[last], choices.back());
      const bool equal = group_.slots[open_[last]].request == request;
      const bool another = last > 0 && group_.slots[open_[last - 1]].request == request;
      if (!equal || !another) return;
      choices.pop_back();
    }
  }

  void undo(std::size_t slot, const Choice& choice) {
    Node& node = nodes_[choice.taken];
    give_back(node.left, group_.slots[slot].request);
    --node.used;
  }

  const Group& group_;
  const bool spread_;
  const bool strict_;
  std::vector<Node> nodes_;
  std::size_t others_used_ = 0;    // bundles on nodes that are not among them
  std::vector<std::size_t> open_;  // slots, in the order in which they are placed
};

bool GroupPlanner::search(const Group& group, const Free& free, Plan& plan) { return Search(group, free).run(plan); }

Result<std::uint64_t> GroupPlanner::create(ClientId creator, std::vector<ResourceSet> bundles, GroupStrategy strategy,
                                           Time now) {
  Group group;
  group.creator = creator;
  group.strategy = strategy;
  for (ResourceSet& bundle : bundles) group.slots.push_back({std::move(bundle), {}, false, false, 0});
  group.patience = group.first_patience();
  if (const std::string why = why_never(group, total_); !why.empty()) {
    return fail(ErrorCode::invalid_argument, why + "; ask for less, or add nodes");
  }
  const std::uint64_t id = next_++;
  const Group& made = groups_[id] = std::move(group);
  file(id, made);
  show(id, made);
  look(now);
  return id;
}

std::string GroupPlanner::why_never(const Group& group, const Free& nodes) {
  std::vector<Ledger> ledgers;
  for (const auto& [id, total] : nodes) ledgers.emplace_back(total);
  for (std::size_t i = 0; i < group.slots.size(); ++i) {
    const ResourceSet& request = group.slots[i].request;
    const auto holds = [&](const Ledger& ledger) { return ledger.feasible(request); };
    if (std::any_of(ledgers.begin(), ledgers.end(), holds)) continue;
    std::string offers;
    for (const auto& [id, total] : nodes) {
      offers += (offers.empty() ? "" : ", ") + ("node " + std::to_string(id.value)) + " has " + total.to_string();
    }
    return "bundle " + std::to_string(i) + " of the placement group needs " + request.to_string() +
           ", which no node has: " + offers;
  }
  Plan plan;
  if (search(group, nodes, plan)) return "";
  const char* const names[] = {"", "", ", all on one node (strict_pack)",
                               ", each on a node of its own (strict_spread)"};
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
  waiting_.erase(id);
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
      group.clear(slot);
    }
    file(id, group);
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
  ++group.slots_reserved;
  if (!group.complete()) return;
  file(bundle.group, group);
  group.patience_end = kNever;
  group.patience = group.first_patience();
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
  for (const std::uint64_t id : waiting_) {
    for (const Slot& slot : groups_.at(id).slots) {
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
  group.slots_planned += plan.size();
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
    group.clear(slot);
  }
}

void GroupPlanner::file(std::uint64_t id, const Group& group) {
  group.complete() ? static_cast<void>(waiting_.erase(id)) : static_cast<void>(waiting_.insert(id));
}

// Whether what it waits for fits now on other nodes than those where it waits.
bool GroupPlanner::fits_elsewhere(const Group& group) const {
  Group anew = group;
  for (Slot& slot : anew.slots) {
    if (!slot.shown) anew.clear(slot);
  }
  Plan elsewhere;
  return search(anew, free_now(), elsewhere);
}

bool GroupPlanner::another_waits(std::uint64_t than) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](std::uint64_t id) { return id != than && !groups_.at(id).planned(); });
}

const ResourceSet* GroupPlanner::unplaced(std::uint64_t id) const {
  const auto group = groups_.find(id);
  if (group == groups_.end()) return nullptr;
  for (const Slot& slot : group->second.slots) {
    if (!slot.reserved) return &slot.request;
  }
  return nullptr;
}

void GroupPlanner::look(Time now) {
  next_look_ = now;
  tick(now);
}

Time GroupPlanner::tick(Time now) {
  if (!waiting()) return kNever;
  if (now < next_look_) return next_look_;
  next_look_ = now + kLookAgain;
  // A group that has waited long enough for what it asked for gives way, if that helps it or others.
  bool queued = false;
  for (const std::uint64_t id : waiting_) {
    Group& group = groups_.at(id);
    if (!group.planned()) continue;
    if (now >= group.patience_end && (another_waits(id) || fits_elsewhere(group))) {
      give_up(id, group);
    } else {
      queued = true;
    }
  }
  std::vector<std::uint64_t> unplanned;
  for (const std::uint64_t id : waiting_) {
    if (!groups_.at(id).planned()) unplanned.push_back(id);
  }
  if (unplanned.empty()) return next_look_;
  Free free = free_now();
  std::erase_if(unplanned, [&](std::uint64_t id) {
    Group& group = groups_.at(id);
    Plan chosen;
    if (!search(group, free, chosen)) return false;
    plan(id, group, chosen, now);
    for (const auto& [slot, node] : chosen) (void)take(free.at(node), group.slots[slot].request);
    return true;
  });
  if (!queued) queue_one(unplanned, now);
  return next_look_;
}

// Of the groups that nothing free would hold one queues, the next after the one that did last.
void GroupPlanner::queue_one(const std::vector<std::uint64_t>& unplanned, Time now) {
  if (unplanned.empty()) return;
  const Free free = free_of_groups();
  const auto next = std::upper_bound(unplanned.begin(), unplanned.end(), last_queued_);
  std::vector<std::uint64_t> in_turn(next, unplanned.end());
  in_turn.insert(in_turn.end(), unplanned.begin(), next);
  for (const std::uint64_t id : in_turn) {
    Group& group = groups_.at(id);
    Plan chosen;
    if (!search(group, free, chosen)) continue;
    plan(id, group, chosen, now);
    last_queued_ = id;
    return;
  }
}

}  // namespace manta::sched
