// The node's worker processes: which state each is in, and which idle one to use next.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/resources.h"
#include "core/sched/shape.h"

namespace manta::sched {

// What a process was started with, and keeps. Plain workers: neither.
struct Outfit {
  std::vector<std::uint32_t> gpus;  // sorted: it can use these and no others, however its shares of them vary
  std::string env;                  // ResourceSet::env
  bool reservation = false;         // stands for a bundle: there is no process
  bool plain() const { return gpus.empty() && env.empty() && !reservation; }
  friend auto operator<=>(const Outfit&, const Outfit&) = default;
};

Outfit outfit_of(const Allocation& allocation);

enum class WorkerState : std::uint8_t { starting, idle, leased, dying };

struct Worker {
  ClientId id;
  Outfit outfit;
  WorkerState state = WorkerState::starting;
  LeaseId lease;                 // none unless leased, or dying with its lease still open
  std::uint64_t idle_order = 0;  // grows with each time one becomes idle
  Time idle_since{0};
  bool used = false;  // was ever leased
  bool keep = false;  // owns objects that others refer to: does not end while idle
};

// Threading: none of its own. Ownership: owns the records; their addresses stay until erase.
class WorkerPool {
 public:
  using IdleOrder = std::set<std::pair<std::uint64_t, ClientId>>;

  // next_id: counted up; others may do so too.
  explicit WorkerPool(std::uint64_t& next_id) : next_id_(next_id) {}

  Worker& add_starting(Outfit outfit);
  // Null if unknown.
  Worker* find(ClientId id);
  const Worker* find(ClientId id) const;
  void set_idle(Worker& worker, Time now);
  void set_leased(Worker& worker, LeaseId lease);
  void set_dying(Worker& worker);
  void erase(Worker& worker);

  // The most recently used idle worker of exactly this outfit; null if none. unused: that was never leased.
  Worker* newest_idle(const Outfit& outfit, bool unused = false);
  const Worker* newest_idle(const Outfit& outfit, bool unused = false) const;
  // All idle ones, least recently used first.
  const IdleOrder& idle() const { return all_idle_; }
  std::size_t starting(const Outfit& outfit) const;
  // Processes of any state: what max_workers bounds. Reservations are none.
  std::size_t size() const { return workers_.size() - reservations_; }
  std::size_t dying() const { return dying_; }
  // Plain ones that are not dying.
  std::size_t plain() const { return usable({}); }
  // Of the outfit, not dying.
  std::size_t usable(const Outfit& outfit) const;
  const std::map<ClientId, Worker>& all() const { return workers_; }

 private:
  struct Group {  // workers of one outfit
    IdleOrder idle;
    std::size_t starting = 0;
    std::size_t usable = 0;  // not dying
  };

  void leave_state(Worker& worker);

  std::uint64_t& next_id_;
  std::uint64_t next_order_ = 0;
  std::map<ClientId, Worker> workers_;
  std::map<Outfit, Group> groups_;
  IdleOrder all_idle_;
  std::size_t dying_ = 0;
  std::size_t reservations_ = 0;
};

}  // namespace manta::sched
