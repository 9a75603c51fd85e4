// What the daemon answers to a process whose demand is not met.
#include <algorithm>

#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

namespace manta::node {

namespace {
constexpr std::size_t kMostHolders = 4;
}

void Daemon::explain_wait(Client& client, const net::WhyWaits& m) {
  net::Waits answer;
  answer.request = m.request;
  sched::Shortage shortage;
  const sched::ResourceSet* unplaced = m.where.bundle && is_head() ? planner_.unplaced(m.where.bundle.group) : nullptr;
  if (unplaced != nullptr) {
    shortage = scheduler_.shortage_of(*unplaced);
    if (shortage.holders.empty() && shortage.advice.empty()) {
      shortage.what = "a bundle asks for " + unplaced->to_string() + ", which is free, but not where the others are";
      shortage.advice = "ask for smaller bundles, or for another GroupStrategy";
    } else {
      shortage.what = "a bundle " + shortage.what;
    }
  } else {
    shortage = scheduler_.shortage(client.id, m.shape, m.where.bundle);
  }
  answer.what = shortage.what;
  answer.advice = shortage.advice;
  answer.all_holders = shortage.holders.size();
  for (const sched::LeaseHolder& holder : shortage.holders) {
    const Client* worker = answer.holders.size() < kMostHolders ? find(holder.worker) : nullptr;
    if (worker == nullptr) continue;
    const auto held_for = std::chrono::duration_cast<std::chrono::milliseconds>(now() - holder.since);
    answer.holders.push_back({worker->process, page_->slots[worker->slot].function.load(std::memory_order_relaxed),
                              holder.actor, held_for.count()});
  }
  if (cluster_ && placing_) answer.others = placing_->others();
  if (answer.what.empty() && !answer.others.empty()) answer.what = "no node has the room now";
  answer.line = m.line && !answer.what.empty() && wait_lines_.may_print(m.label + "\n" + answer.what, now());
  send(client, answer);
}

}  // namespace manta::node
