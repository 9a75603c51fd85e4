// The clients of a node: what each wants and holds, with everything that is counted from that.
//
// Demand's counters, the queue of waiting demands and the fair shares change together, here alone. Only the claims of a
// demand (AskingBack) and the patience of a shape (Placing) change elsewhere.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include "core/sched/demand_queue.h"
#include "core/sched/fair_share.h"
#include "core/sched/lease_table.h"
#include "core/sched/shape.h"

namespace manta::sched {

// Threading: none of its own. Ownership: owns the demands; their addresses stay until drop_if_unused or leave.
class Demands {
 public:
  struct Client {
    std::map<ShapeIndex, Demand> demands;
    std::set<LeaseId> leases;  // that it holds, the closing ones excluded
  };

  // total: of the ledger, which gives the named resources their dimensions.
  explicit Demands(const ResourceSet& total) : queue_(total), fair_(queue_.dimensions()) {}

  // --- clients
  void join(ClientId client) { clients_.try_emplace(client); }
  // Null if unknown.
  const Client* client(ClientId id) const;
  // Voids its demands and forgets it. It has no bookings any more, and its leases are closing (lease_closing).
  void leave(ClientId id, Time now);
  std::map<ClientId, Client>& clients() { return clients_; }
  const std::map<ClientId, Client>& clients() const { return clients_; }
  // Whether it has demands or leases.
  bool submits(ClientId id) const;
  // Leases that it has of the shape, those included for which a worker is being started.
  std::uint32_t held(ClientId id, ShapeIndex shape) const;
  // The same for each shape of which it has any.
  std::vector<std::pair<ShapeIndex, std::uint32_t>> held_by(ClientId id) const;

  // --- demands
  // Null if unknown.
  Demand* find(ClientId client, ShapeIndex shape);
  const Demand* find(ClientId client, ShapeIndex shape) const;
  // A new one, of a known client, that wants nothing yet. The request is feasible.
  Demand& add(ClientId client, ShapeIndex index, const ResourceSet& request);
  void set_wanted(Demand& demand, std::uint32_t wanted, Time now);
  // Destroys a demand that wants and holds nothing.
  void drop_if_unused(Demand& demand);

  // --- what a demand is granted
  // The demand is granted one more; booked or lease_opened follows. Returns its place in the order of arrival so far.
  std::uint64_t served(Demand& demand);
  // The lease waits for a worker process to start; booking_filled or booking_cancelled follows.
  void booked(Demand& demand, Time now);
  // The worker has started; lease_opened follows.
  static void booking_filled(Demand& demand) { --demand.booked; }
  // arrival: as `served` returned it. The demand takes that place again if it waits.
  void booking_cancelled(Demand& demand, std::uint64_t arrival, Time now);
  void lease_opened(Demand& demand, LeaseId lease, Time now);
  void lease_blocked(Demand& demand, Time now);
  void lease_unblocked(Demand& demand, Time now);
  // The demand was asked to return one more lease.
  void asked_back(Demand& demand, Time now);
  // The lease, which is not closing, ends. May destroy its demand. had_turn: the demand moves behind the others.
  void lease_closed(const Lease& lease, bool had_turn, Time now);
  // The client of the lease is about to leave; then the lease counts for none.
  void lease_closing(const Lease& lease);

  const DemandQueue& queue() const { return queue_; }
  const FairShare& fair() const { return fair_; }

 private:
  std::map<ClientId, Client> clients_;
  DemandQueue queue_;
  FairShare fair_;
};

}  // namespace manta::sched
