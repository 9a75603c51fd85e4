#include "core/sched/shortages.h"

#include <algorithm>
#include <string_view>

namespace manta::sched {

namespace {

// What would help one that lacks the dimensions.
std::string advice_for(DimensionBits lacking, const ResourceSet& request) {
  std::string options;
  const auto add = [&](std::string_view option) {
    options += options.empty() ? "" : " and ";
    options += option;
  };
  if (lacking & bit_of(kCpus)) add("InitOptions::num_cpus");
  if (lacking & bit_of(kGpus)) add("InitOptions::num_gpus");
  if (lacking & bit_of(kMemory)) add("InitOptions::memory_bytes");
  const bool named = (lacking & ~(bit_of(kCpus) | bit_of(kGpus) | bit_of(kMemory) | bit_of(kWorkers))) != 0;
  if (named && !request.named.empty()) add("InitOptions::resources");
  return "end what holds it, let it hold less, or raise " + options;
}

}  // namespace

std::string Shortages::why_waiting(ClientId submitter) const {
  const Demands::Client* client = demands_.client(submitter);
  if (client == nullptr) {
    return "";
  }
  const Demand* oldest = nullptr;
  bool booked = false;
  for (const auto& [index, demand] : client->demands) {
    booked = booked || demand.booked > 0;
    if (demand.waiting && (oldest == nullptr || demand.arrival < oldest->arrival)) {
      oldest = &demand;
    }
  }
  if (oldest == nullptr) {
    return booked ? "a worker process is being started" : "";
  }
  return why_not_granted(oldest->shape->request);
}

std::string Shortages::retry() const {
  return "the last attempt to start a worker process failed with \"" + failures_.last + "\"; it is tried again";
}

std::string Shortages::why_not_granted(const ResourceSet& request) const {
  if (!ledger_.fits(request)) {
    return ledger_.why_not_now(request);
  }
  if (pool_.size() >= max_workers_) {
    return "all " + std::to_string(max_workers_) + " worker processes of this node are in use, " +
           std::to_string(leases_.blocked()) + " of them blocked in get (InitOptions::max_workers)";
  }
  const bool starting = pool_.starting({{}, request.env}) > 0;
  if (failures_.in_a_row > 0 || (starting && !failures_.last.empty())) {
    return retry();
  }
  if (starting) return "a worker process is being started";
  return "what it asks for (" + request.to_string() + ") is kept free for a bigger request that has waited longer";
}

Shortage Shortages::of(ClientId submitter, ShapeIndex index) const {
  const Demand* demand = demands_.find(submitter, index);
  if (demand == nullptr) return {};
  if (!demand->waiting) {
    Shortage shortage;
    if (demand->booked > 0) shortage.what = failures_.last.empty() ? "a worker process is being started" : retry();
    return shortage;
  }
  return of(demand->shape->request);
}

Shortage Shortages::of(const ResourceSet& request) const {
  Shortage shortage;
  shortage.what = why_not_granted(request);
  const DimensionBits lacking = ledger_.lacking(request);
  const bool workers = lacking == 0 && pool_.size() >= max_workers_;
  if (lacking != 0) {
    shortage.advice = advice_for(lacking, request);
  } else if (workers) {
    shortage.advice = "end actors, let tasks wait less deeply, or raise InitOptions::max_workers";
  }
  for (const auto& [id, lease] : leases_.all()) {
    const ResourceSet& taken = lease.allocation.taken;
    const auto names_one = [&](const NamedAmount& held) {
      return std::any_of(request.named.begin(), request.named.end(),
                         [&](const NamedAmount& asked) { return asked.name == held.name; });
    };
    const bool cpus = (lacking & bit_of(kCpus)) != 0 && !taken.cpus.zero() && !lease.blocked;
    const bool gpus = (lacking & bit_of(kGpus)) != 0 && !taken.gpus.zero();
    const bool memory = (lacking & bit_of(kMemory)) != 0 && taken.memory_bytes != 0;
    const bool named = (lacking >> kFirstNamed) != 0 && std::any_of(taken.named.begin(), taken.named.end(), names_one);
    if (workers || cpus || gpus || memory || named) {
      shortage.holders.push_back({lease.worker, taken.own_worker, lease.granted});
    }
  }
  return shortage;
}

}  // namespace manta::sched
