// At the head: on which nodes the bundles of placement groups go. Sans-I/O.
//
// In two phases: first all bundles of a group are reserved on the nodes that a search over what is free has chosen;
// once the last is there the group is placed, for all to see. Groups that nothing free would hold wait, and the oldest
// of them queues at nodes that could hold it, behind what runs there; while others wait too, each in its turn.
//
//   GROUP-1  a group is placed whole, or not at all; nodes see no part of one that is still being reserved
//   GROUP-2  bundles of strict_pack are on one node, of strict_spread on nodes of their own
//   GROUP-3  a bundle whose node has died is placed anew; the others of its group stay where they are
//   GROUP-4  what was reserved for a group that is gone, or tried elsewhere, is released exactly once
//   GROUP-5  an event that concerns one bundle costs O(log groups), however many bundles there are
//
// Threading: one thread. Ownership: effects must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/ids.h>
#include <manta/options.h>

#include "core/sched/resources.h"
#include "core/sched/shape.h"

namespace manta::sched {

// Called in the middle of an event: they must not call the planner back, but leave that for later.
class GroupPlannerEffects {
 public:
  virtual ~GroupPlannerEffects() = default;
  // attempt: the node says it again when it has reserved it.
  virtual void reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const ResourceSet& request) = 0;
  virtual void release(NodeId node, const Bundle& bundle, const std::string& why) = 0;
  // Where its bundles are; none: not placed (yet, or any more).
  virtual void placed(std::uint64_t group, const std::vector<NodeId>& nodes) = 0;
  virtual void gone(std::uint64_t group) = 0;
};

class GroupPlanner {
 public:
  explicit GroupPlanner(GroupPlannerEffects& effects) : effects_(effects) {}

  // invalid_argument: no nodes could ever hold it, even empty; says why. Else its number.
  [[nodiscard]] Result<std::uint64_t> create(ClientId creator, std::vector<ResourceSet> bundles, GroupStrategy strategy,
                                             Time now);
  // Only by its creator; unknown ones are ignored.
  void remove(std::uint64_t group, ClientId creator, Time now);
  void client_left(ClientId creator, Time now);
  void node_joined(NodeId node, const ResourceSet& total, Time now);
  void node_left(NodeId node, Time now);
  void view(NodeId node, const ResourceSet& available);
  // The node has reserved it.
  void reserved(NodeId node, const Bundle& bundle, std::uint32_t attempt, Time now);
  // Plans for groups that wait. Returns when it wants to be called again; kNever: no need.
  Time tick(Time now);
  bool waiting() const { return !waiting_.empty(); }
  // A bundle of the group that is not reserved yet; null: the group is placed, or unknown.
  const ResourceSet* unplaced(std::uint64_t group) const;
  // As effects().placed would say: for a node that joins.
  std::map<std::uint64_t, std::vector<NodeId>> all() const;

 private:
  struct Slot {
    ResourceSet request;
    NodeId node;  // none: not planned
    bool reserved = false;
    bool shown = false;  // as placed
    std::uint32_t attempt = 0;
  };
  struct Group {
    ClientId creator;
    GroupStrategy strategy = GroupStrategy::pack;
    std::vector<Slot> slots;
    Time patience_end = kNever;  // of what is being reserved
    Time patience{0};
    std::uint32_t attempts = 0;
    std::size_t slots_planned = 0;  // that have a node
    std::size_t slots_reserved = 0;
    bool complete() const { return slots_reserved == slots.size(); }
    bool planned() const { return slots_planned == slots.size(); }
    Time first_patience() const;
    void clear(Slot& slot);  // is not planned any more
  };
  using Free = std::map<NodeId, ResourceSet>;
  using Plan = std::vector<std::pair<std::size_t, NodeId>>;  // slot, node

  class Search;
  static bool search(const Group& group, const Free& free, Plan& plan);
  static std::string why_never(const Group& group, const Free& nodes);
  Free free_now() const;
  Free free_of_groups() const;
  void plan(std::uint64_t id, Group& group, const Plan& plan, Time now);
  void give_up(std::uint64_t id, Group& group);
  bool another_waits(std::uint64_t than) const;
  bool fits_elsewhere(const Group& group) const;
  void file(std::uint64_t id, const Group& group);
  void show(std::uint64_t id, const Group& group);
  void end(std::uint64_t id);
  void look(Time now);
  void queue_one(const std::vector<std::uint64_t>& unplanned, Time now);

  GroupPlannerEffects& effects_;
  std::map<NodeId, ResourceSet> total_, available_;
  std::map<std::uint64_t, Group> groups_;
  std::set<std::uint64_t> waiting_;  // groups that are not complete
  std::uint64_t next_ = 1;
  Time next_look_{0};              // between events
  std::uint64_t last_queued_ = 0;  // whose turn it was to queue
};

}  // namespace manta::sched
