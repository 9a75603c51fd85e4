#include "core/node/wait_answers.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace manta::node {

namespace {

constexpr std::size_t kMostHolders = 4;

}  // namespace

// What lacks space in the object store, and the processes that have some of it.
void WaitAnswers::explain_space(const net::WhyWaits& m, net::Waits& answer) const {
  const net::NodePage& page = connections_.page();
  std::vector<net::LeaseHolder> holders;
  for (const auto& [id, each] : connections_.all()) {
    const std::uint64_t bytes = page.slots[each->slot].store.used_bytes.load(std::memory_order_relaxed);
    if (bytes > 0 && each->greeted) holders.push_back({.process = each->process, .store_bytes = bytes});
  }
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

sched::Shortage WaitAnswers::shortage(ClientId client, const net::WhyWaits& m,
                                      const sched::ResourceSet* unplaced) const {
  if (unplaced == nullptr) return scheduler_.shortage(client, m.shape, m.where.bundle);
  sched::Shortage shortage = scheduler_.shortage_of(*unplaced);
  if (shortage.holders.empty() && shortage.advice.empty()) {
    shortage.what = "a bundle asks for " + unplaced->to_string() + ", which is free, but not where the others are";
    shortage.advice = "ask for smaller bundles, or for another GroupStrategy";
  } else {
    shortage.what = "a bundle " + shortage.what;
  }
  return shortage;
}

net::Waits WaitAnswers::answer(ClientId client, const net::WhyWaits& m, const sched::ResourceSet* unplaced,
                               const std::string& others, sched::Time now) {
  net::Waits answer;
  answer.request = m.request;
  if (m.space_bytes > 0) {
    explain_space(m, answer);
    answer.line = m.line && lines_.may_print(m.label, now);
    return answer;
  }
  const sched::Shortage lacks = shortage(client, m, unplaced);
  answer.what = lacks.what;
  answer.advice = lacks.advice;
  answer.all_holders = lacks.holders.size();
  for (const sched::LeaseHolder& holder : lacks.holders) {
    const Connection* worker = answer.holders.size() < kMostHolders ? connections_.find(holder.worker) : nullptr;
    if (worker == nullptr) continue;
    const auto held_for = std::chrono::duration_cast<std::chrono::milliseconds>(now - holder.since);
    const std::uint64_t function = connections_.slot_of(*worker).function.load(std::memory_order_relaxed);
    answer.holders.push_back({worker->process, function, holder.actor, held_for.count(), 0});
  }
  answer.others = others;
  if (answer.what.empty() && !answer.others.empty()) answer.what = "no node has the room now";
  answer.line = m.line && !answer.what.empty() && lines_.may_print(m.label + "\n" + answer.what, now);
  return answer;
}

}  // namespace manta::node
