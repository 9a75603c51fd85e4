// What a node answers to a process whose demand is not met.
//
// Threading: the loop's. Ownership: connections and the scheduler must outlive it.
#pragma once

#include <string>

#include "core/net/messages.h"
#include "core/node/connections.h"
#include "core/node/wait_lines.h"
#include "core/sched/bundled_scheduler.h"

namespace manta::node {

class WaitAnswers {
 public:
  WaitAnswers(Connections& connections, const sched::BundledScheduler& scheduler)
      : connections_(connections), scheduler_(scheduler) {}
  // unplaced: a bundle of the demand's group that is not reserved yet; null: none, or only the head knows. others: what
  // other nodes have.
  net::Waits answer(ClientId client, const net::WhyWaits& question, const sched::ResourceSet* unplaced,
                    const std::string& others, sched::Time now);

 private:
  void explain_space(const net::WhyWaits& question, net::Waits& answer) const;
  sched::Shortage shortage(ClientId client, const net::WhyWaits& question, const sched::ResourceSet* unplaced) const;

  Connections& connections_;
  const sched::BundledScheduler& scheduler_;
  WaitLines lines_;
};

}  // namespace manta::node
