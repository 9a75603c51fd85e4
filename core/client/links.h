// The links to the workers that run this process' tasks: by ring on this node, by messages on others.
//
//   CLIENT-2  while all waiting threads sleep, every link rings this process' doorbell on a result: a link begins
//             armed, a waiter re-arms all before it sleeps, and one that disarmed some by draining wakes the others
//   CLIENT-3  a peer's message, its death and the end of a lease on it are delivered after the results it had finished
//
// Threading: with the owner's mutex. Ownership: owns the links; context and node must outlive it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/client/link_context.h"
#include "core/client/message_link.h"
#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/ring_link.h"
#include "core/client/to_node.h"
#include "core/net/messages.h"

namespace manta::client {

class Links final : public Results {
 public:
  Links(ProcessState& state, ToNode& node, LinkContext& context) : state_(state), node_(node), context_(context) {}

  // --- Results
  bool drain() override MANTA_REQUIRES(owner_mutex);
  bool prepare_sleep() override MANTA_REQUIRES(owner_mutex);
  bool waits_for_this_cpu() override MANTA_REQUIRES(owner_mutex);

  // Null: the node is asked for it, see ring_arrived.
  owner::WorkerLink* to(ClientId worker) MANTA_REQUIRES(owner_mutex);
  void lease_returned(LeaseId lease) MANTA_REQUIRES(owner_mutex);

  // --- from the node
  void granted(const net::Granted& granted, std::vector<Fd>& descriptors) MANTA_REQUIRES(owner_mutex);
  void ring_arrived(const net::RingTo& message, std::vector<Fd>& descriptors) MANTA_REQUIRES(owner_mutex);
  void lease_ended(LeaseId lease, const std::string& status) MANTA_REQUIRES(owner_mutex);
  // The process is dead: a worker on another node loses its lease. Comes before Owner::client_died and forget().
  void worker_died(ClientId worker, const std::string& status) MANTA_REQUIRES(owner_mutex);
  void forget(ClientId worker) MANTA_REQUIRES(owner_mutex);
  // The node is gone.
  void clear() MANTA_REQUIRES(owner_mutex);

  // --- from workers on other nodes
  void done(ClientId worker, const net::TaskDone& done) MANTA_REQUIRES(owner_mutex);
  void returned(ClientId worker, const net::TasksReturned& tasks) MANTA_REQUIRES(owner_mutex);
  void began(ClientId worker, const net::TaskBegan& task) MANTA_REQUIRES(owner_mutex);
  void blocked(ClientId worker, bool blocked) MANTA_REQUIRES(owner_mutex);

 private:
  RingLink* open_ring(ClientId worker, std::uint32_t worker_slot, std::vector<Fd>& descriptors)
      MANTA_REQUIRES(owner_mutex);
  MessageLink& message_link(ClientId worker) MANTA_REQUIRES(owner_mutex);
  void give(const net::Granted& granted, owner::WorkerLink& link) MANTA_REQUIRES(owner_mutex);
  // A worker of a ring whose lease it is has begun to wait, or gone on.
  bool changed(const RingLink& link) MANTA_REQUIRES(owner_mutex) {
    const owner::Lease* lease = link.lease ? state_.owner->leases().find(link.lease) : nullptr;
    return lease != nullptr && lease->blocked != link.worker_blocked();
  }

  ProcessState& state_;
  ToNode& node_;
  LinkContext& context_;
  RingLink::Polled active_ MANTA_GUARDED_BY(owner_mutex);  // those that may have results
  std::map<ClientId, std::unique_ptr<RingLink>> rings_ MANTA_GUARDED_BY(owner_mutex);
  std::map<ClientId, std::unique_ptr<MessageLink>> messages_ MANTA_GUARDED_BY(owner_mutex);
  std::array<std::vector<RingLink*>, 64> groups_ MANTA_GUARDED_BY(owner_mutex);  // by the doorbell's bit
};

}  // namespace manta::client
