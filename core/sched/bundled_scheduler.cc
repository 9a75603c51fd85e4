#include "core/sched/bundled_scheduler.h"

#include <algorithm>

namespace manta::sched {

namespace {

// Names of workers and leases for all schedulers of the node; each asks the others before it ends an idle worker.
NodeSchedulerConfig shared(NodeSchedulerConfig config, std::function<bool(ClientId)> submits) {
  constexpr std::uint64_t kWithinNode = (std::uint64_t{1} << kNodeShift) - 1;
  const std::uint64_t first = config.first_client_id;
  config.ids = std::make_shared<NextIds>(NextIds{first, (first & ~kWithinNode) + 1});
  config.submits_elsewhere = std::move(submits);
  return config;
}

}  // namespace

BundledScheduler::BundledScheduler(NodeSchedulerConfig config, ClientId reservations, BundleEffects& effects)
    : config_(shared(std::move(config),
                     [this](ClientId client) {
                       return free_.submits(client) || std::any_of(parts_.begin(), parts_.end(), [&](const auto& part) {
                                return part.second.scheduler && part.second.scheduler->submits(client);
                              });
                     })),
      reservations_(reservations),
      effects_(effects),
      free_(config_, *this) {
  free_.driver_joined(reservations_, Time{0});
}

// --- bundles

void BundledScheduler::reserve(const Bundle& bundle, std::uint32_t attempt, const ResourceSet& request, Time now) {
  const auto [it, fresh] = parts_.try_emplace(bundle);
  if (!fresh) return;
  it->second.attempt = attempt;
  it->second.shape = next_shape_++;
  ResourceSet reservation = request;
  reservation.reservation = reservation.own_worker = true;
  free_.set_demand(reservations_, it->second.shape, reservation, 1, now);
  open_parts(now);
}

void BundledScheduler::release(const Bundle& bundle, const std::string& why, Time now) {
  const auto it = parts_.find(bundle);
  if (it == parts_.end() || it->second.closing) return;
  it->second.closing = true;
  if (it->second.scheduler) it->second.scheduler->close(why, now);
  drop_ended_parts(now);
}

// A grant comes in the middle of an event of the scheduler; this is after it.
void BundledScheduler::open_parts(Time now) {
  while (!granted_.empty()) {
    const auto [shape, lease] = granted_.back();
    granted_.pop_back();
    const auto it = std::find_if(parts_.begin(), parts_.end(), [&](const auto& p) { return p.second.shape == shape; });
    if (it == parts_.end()) {
      free_.return_lease(reservations_, lease, now);
      continue;
    }
    Part& part = it->second;
    part.lease = lease;
    NodeSchedulerConfig config = config_;
    config.part = *free_.allocation_of(lease);
    config.warm_workers = 0;
    part.scheduler = std::make_unique<NodeScheduler>(std::move(config), static_cast<NodeSchedulerEffects&>(*this));
    for (const ClientId client : joined_) part.scheduler->driver_joined(client, now);
    effects_.bundle_reserved(it->first, part.attempt);
  }
}

void BundledScheduler::drop_ended_parts(Time now) {
  for (auto it = parts_.begin(); it != parts_.end();) {
    const Part& part = it->second;
    if (!part.closing || (part.scheduler && !part.scheduler->empty())) {
      ++it;
      continue;
    }
    const auto [shape, lease] = std::pair(part.shape, part.lease);
    it = parts_.erase(it);
    free_.set_demand(reservations_, shape, {}, 0, now);
    if (lease) free_.return_lease(reservations_, lease, now);
  }
  open_parts(now);
}

// --- events

NodeScheduler& BundledScheduler::of(ClientId worker) {
  if (!free_.has_worker(worker)) {
    for (auto& [bundle, part] : parts_) {
      if (part.scheduler && part.scheduler->has_worker(worker)) return *part.scheduler;
    }
  }
  return free_;
}

void BundledScheduler::set_demand(ClientId submitter, ShapeIndex shape, const ResourceSet& request,
                                  const Bundle& bundle, std::uint32_t wanted, Time now) {
  if (!bundle) {
    free_.set_demand(submitter, shape, request, wanted, now);
    return open_parts(now);
  }
  const auto it = parts_.find(bundle);
  if (it != parts_.end() && it->second.scheduler) {
    it->second.scheduler->set_demand(submitter, shape, request, wanted, now);
  } else if (wanted > 0) {
    effects_.infeasible(submitter, shape,
                        "bundle " + std::to_string(bundle.index) + " of placement group " +
                            std::to_string(bundle.group) + " is not on this node any more: the group was removed");
  }
}

void BundledScheduler::driver_joined(ClientId driver, Time now) {
  joined_.insert(driver);
  free_.driver_joined(driver, now);
  for (auto& [bundle, part] : parts_) {
    if (part.scheduler) part.scheduler->driver_joined(driver, now);
  }
}

void BundledScheduler::worker_started(ClientId worker, Time now) {
  NodeScheduler& own = of(worker);
  driver_joined(worker, now);
  own.worker_started(worker, now);
  open_parts(now);
}

void BundledScheduler::client_left(ClientId client, const std::string& status, Time now) {
  joined_.erase(client);
  for (auto& [bundle, part] : parts_) {
    if (part.scheduler) part.scheduler->client_left(client, status, now);
  }
  free_.client_left(client, status, now);
  drop_ended_parts(now);
}

void BundledScheduler::return_lease(ClientId submitter, LeaseId lease, Time now) {
  if (submitter == reservations_) return;
  NodeScheduler* own = &free_;
  for (auto& [bundle, part] : parts_) {
    if (part.scheduler && part.scheduler->has_lease(lease)) own = part.scheduler.get();
  }
  own->return_lease(submitter, lease, now);
  open_parts(now);
}

Time BundledScheduler::tick(Time now) {
  Time next = free_.tick(now);
  for (auto& [bundle, part] : parts_) {
    if (part.scheduler) next = std::min(next, part.scheduler->tick(now));
  }
  open_parts(now);
  return next;
}

bool BundledScheduler::starving() const {
  return free_.starving() || std::any_of(parts_.begin(), parts_.end(), [](const auto& part) {
           return part.second.scheduler && part.second.scheduler->starving();
         });
}

std::vector<Occupant> BundledScheduler::occupants() const {
  std::vector<Occupant> all;
  free_.add_occupants(all);
  for (const auto& [bundle, part] : parts_) {
    if (part.scheduler) part.scheduler->add_occupants(all);
  }
  return all;
}

ClientId BundledScheduler::worker_of(ClientId submitter, LeaseId lease) const {
  if (const ClientId worker = free_.worker_of(submitter, lease)) return worker;
  for (const auto& [bundle, part] : parts_) {
    if (!part.scheduler) continue;
    if (const ClientId worker = part.scheduler->worker_of(submitter, lease)) return worker;
  }
  return {};
}

Shortage BundledScheduler::shortage(ClientId submitter, ShapeIndex shape, const Bundle& bundle) const {
  const auto it = bundle ? parts_.find(bundle) : parts_.end();
  if (it == parts_.end() || !it->second.scheduler) return free_.shortage(submitter, shape);
  return it->second.scheduler->shortage(submitter, shape);
}

std::string BundledScheduler::check_invariants() const {
  std::string broken = free_.check_invariants();
  for (const auto& [bundle, part] : parts_) {
    if (broken.empty() && part.scheduler) broken = part.scheduler->check_invariants();
  }
  return broken;
}

// --- effects: reservations stop here

void BundledScheduler::start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) {
  effects_.start_worker(worker, gpus, env);
}
void BundledScheduler::kill_worker(ClientId worker) { effects_.kill_worker(worker); }
void BundledScheduler::grant(ClientId submitter, const Grant& grant) {
  if (submitter != reservations_) return effects_.grant(submitter, grant);
  granted_.emplace_back(grant.shape, grant.lease);
}
void BundledScheduler::lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) {
  if (submitter != reservations_) effects_.lease_ended(submitter, lease, why, status);
}
void BundledScheduler::infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) {
  if (submitter != reservations_) effects_.infeasible(submitter, shape, why);  // the planner asks for what can be had
}
void BundledScheduler::ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) {
  if (submitter != reservations_) effects_.ask_back(submitter, shape, count);
}
void BundledScheduler::close_channel(ClientId worker, ClientId submitter) { effects_.close_channel(worker, submitter); }

}  // namespace manta::sched
