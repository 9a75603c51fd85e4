// Which clients are asked to return leases, because other demands wait.
//
// By share, at once: leases beyond what a client wants, then those beyond its fair share of what is scarce, for a
// client below its own. Donors never fall below the share and receivers never rise above it, so nothing goes
// back and forth.
// By priority, at once: leases of lower priorities.
// By overdraft, on the tick: a waiting task's CPUs went to others, which still have them a turn after it has gone on.
// By turn, on the tick: a demand without any lease takes over leases that others have held for a turn, oldest first,
// whatever the shares are: more clients than CPUs, or one big request among many small leases.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/demands.h"
#include "core/sched/lease_table.h"
#include "core/sched/resources.h"
#include "core/sched/worker_pool.h"

namespace manta::sched {

class AskEffects {
 public:
  virtual ~AskEffects() = default;
  // The submitter should return `count` more leases of the shape as soon as their running task ends; it chooses which.
  // A lease_ended of the shape counts as one of them returned.
  virtual void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) = 0;
};

// Threading: none of its own. Ownership: all references must outlive it.
class AskingBack {
 public:
  struct Limits {
    std::uint32_t max_workers;
    Time turn;  // demands without a lease ask back leases that were held for this long
  };

  AskingBack(const Ledger& ledger, Demands& demands, const WorkerPool& pool, const LeaseTable& leases,
             const Limits& limits, AskEffects& effects)
      : ledger_(ledger), demands_(demands), pool_(pool), leases_(leases), limits_(limits), effects_(effects) {}

  // Asks for the first demands that were not served.
  void after_serving(Time now);
  // Asks for a demand that may not be the first of its shape.
  void ask_for(Demand& demand, Time now);
  // Demands wait for their turn, or none does. Call it at the end of each event.
  void schedule_turn(Time now);
  void tick(Time now);
  // When tick wants to be called; kNever: no need.
  Time next_tick() const;
  // Only while a demand waits.
  Time next_turn() const { return next_turn_; }

 private:
  using Asks = std::map<std::pair<ClientId, ShapeIndex>, std::uint32_t>;

  void ask_for_fronts(Time now);
  void take_turns(Time now);
  void ask_by_share(Demand& demand, Asks& asks, Time now);
  void ask_by_turn(const std::vector<Demand*>& waiting, Asks& asks, Time now);
  void ask_for_released_cpus(Time now);
  // What a request of the demand lacks that leases of others would free, the dearest first: getting that mostly brings
  // the rest.
  std::vector<Shape::Use> scarce(const Demand& demand) const;
  Demand* donor(Dimension dimension, std::int64_t share, const Demand& receiver);
  Demand* least_urgent(Dimension dimension, std::int64_t priority);
  void ask(Demand& holder, Asks& asks, Time now);
  void send(const Asks& asks);

  const Ledger& ledger_;
  Demands& demands_;
  const WorkerPool& pool_;
  const LeaseTable& leases_;
  Limits limits_;
  AskEffects& effects_;
  Time next_turn_ = kNever;        // only while a demand waits
  Time overdrawn_since_ = kNever;  // released CPUs are in use, and the tasks that released them have gone on
};

}  // namespace manta::sched
