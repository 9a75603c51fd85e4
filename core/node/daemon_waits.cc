// What the daemon answers to a process whose demand is not met.
#include <algorithm>

#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

namespace manta::node {

namespace {

constexpr std::size_t kMostHolders = 4;

// What lacks space in the object store. holders: the node's clients that have some of it.
void explain_space(const net::WhyWaits& m, const net::NodePage& page, std::vector<net::LeaseHolder> holders,
                   net::Waits& answer) {
  const std::uint64_t used = page.store.used_bytes.load(std::memory_order_relaxed);
  const std::uint64_t free = page.store_capacity_bytes - std::min(used, page.store_capacity_bytes);
  answer.what = "asks for " + sched::bytes_to_string(m.space_bytes) + " of the object store, of " +
                sched::bytes_to_string(page.store_capacity_bytes) + " here " + sched::bytes_to_string(free) +
                (free == 0 ? " is free" : " are free");
  answer.what += m.not_spilled.empty() ? ", and what is in use cannot be spilled" : ", and " + m.not_spilled;
  answer.advice = "drop references to objects, or raise InitOptions::store_capacity_bytes";
  answer.all_holders = holders.size();
  std::sort(holders.begin(), holders.end(), [](const auto& a, const auto& b) { return a.store_bytes > b.store_bytes; });
  holders.resize(std::min(holders.size(), kMostHolders));
  answer.holders = std::move(holders);
}

}  // namespace

void Daemon::explain_wait(Client& client, const net::WhyWaits& m) {
  net::Waits answer;
  answer.request = m.request;
  if (m.space_bytes > 0) {
    std::vector<net::LeaseHolder> holders;
    for (const auto& [id, each] : clients_) {
      const std::uint64_t bytes = page_->slots[each->slot].store.used_bytes.load(std::memory_order_relaxed);
      if (bytes > 0 && each->greeted) holders.push_back({.process = each->process, .store_bytes = bytes});
    }
    explain_space(m, *page_, std::move(holders), answer);
    answer.line = m.line && wait_lines_.may_print(m.label, now());
    return send(client, answer);
  }
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
    const std::uint64_t function = page_->slots[worker->slot].function.load(std::memory_order_relaxed);
    answer.holders.push_back({worker->process, function, holder.actor, held_for.count(), 0});
  }
  if (cluster_ && placing_) answer.others = placing_->others();
  if (answer.what.empty() && !answer.others.empty()) answer.what = "no node has the room now";
  answer.line = m.line && !answer.what.empty() && wait_lines_.may_print(m.label + "\n" + answer.what, now());
  send(client, answer);
}

}  // namespace manta::node
