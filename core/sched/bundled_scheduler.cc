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

// The scheduler of a bundle says what it wants as the node's does, and which workers and leases are the bundle's.
class BundledScheduler::PartEffects final : public NodeSchedulerEffects {
 public:
  PartEffects(BundledScheduler& node, const Bundle& bundle) : node_(node), bundle_(bundle) {}

  void start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) override {
    node_.routes_.worker_started(worker, bundle_);
    node_.effects_.start_worker(worker, gpus, env);
  }
  void grant(ClientId submitter, const Grant& grant) override {
    node_.routes_.granted(grant.lease, grant.worker, bundle_);
    node_.effects_.grant(submitter, grant);
  }
  void kill_worker(ClientId worker) override { node_.effects_.kill_worker(worker); }
  void lease_ended(ClientId submitter, LeaseId lease, LeaseEnd why, const std::string& status) override {
    node_.effects_.lease_ended(submitter, lease, why, status);
  }
  void infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) override {
    node_.effects_.infeasible(submitter, shape, why);
  }
  void ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) override {
    node_.effects_.ask_back(submitter, shape, count);
  }
  void close_ring(ClientId worker, ClientId submitter) override { node_.effects_.close_ring(worker, submitter); }

 private:
  BundledScheduler& node_;
  Bundle bundle_;
};

BundledScheduler::BundledScheduler(NodeSchedulerConfig config, ClientId reservations, BundleEffects& effects)
    : config_(shared(std::move(config), [this](ClientId client) { return submits(client); })),
      reservations_(reservations),
      effects_(effects),
      free_(config_, *this) {
  free_.driver_joined(reservations_, Time{0});
}

BundledScheduler::~BundledScheduler() = default;

// --- bundles

void BundledScheduler::reserve(const Bundle& bundle, std::uint32_t attempt, const ResourceSet& request, Time now) {
  const auto [it, fresh] = parts_.try_emplace(bundle);
  if (!fresh) return;
  it->second.attempt = attempt;
  it->second.shape = next_shape_++;
  waiting_[it->second.shape] = bundle;
  ResourceSet reservation = request;
  reservation.reservation = reservation.own_worker = true;
  free_.set_demand(reservations_, it->second.shape, reservation, 1, now);
  open_parts(now);
}

void BundledScheduler::release(const Bundle& bundle, const std::string& why, Time now) {
  const auto it = parts_.find(bundle);
  if (it == parts_.end() || it->second.closing) return;
  it->second.closing = true;
  if (it->second.scheduler) in(bundle, now, [&](NodeScheduler& scheduler) { scheduler.close(why, now); });
  drop_if_ended(bundle, now);
}

// A grant comes in the middle of an event of the scheduler; this is after it.
void BundledScheduler::open_parts(Time now) {
  while (!granted_.empty()) {
    const auto [shape, lease] = granted_.back();
    granted_.pop_back();
    const auto waiting = waiting_.extract(shape);
    if (waiting.empty()) {
      free_.return_lease(reservations_, lease, now);
      continue;
    }
    const Bundle bundle = waiting.mapped();
    Part& part = parts_.at(bundle);
    part.lease = lease;
    NodeSchedulerConfig config = config_;
    config.part = *free_.allocation_of(lease);
    config.warm_workers = 0;
    part.effects = std::make_unique<PartEffects>(*this, bundle);
    part.scheduler = std::make_unique<NodeScheduler>(std::move(config), *part.effects);
    effects_.bundle_reserved(bundle, part.attempt);
  }
}

// A bundle that is released goes with its last worker.
void BundledScheduler::drop_if_ended(const Bundle& bundle, Time now) {
  const auto it = parts_.find(bundle);
  if (it == parts_.end()) return;
  Part& part = it->second;
  if (!part.closing || (part.scheduler && !part.scheduler->empty())) return;
  const auto [shape, lease] = std::pair(part.shape, part.lease);
  for (const ClientId client : part.clients) joined_.at(client).erase(bundle);
  unfile(bundle, part);
  waiting_.erase(shape);
  parts_.erase(it);
  free_.set_demand(reservations_, shape, {}, 0, now);
  if (lease) free_.return_lease(reservations_, lease, now);
  open_parts(now);
}

NodeScheduler* BundledScheduler::scheduler_of(const Bundle& bundle) const {
  const auto it = bundle ? parts_.find(bundle) : parts_.end();
  return it == parts_.end() ? nullptr : it->second.scheduler.get();
}

template <class Event>
void BundledScheduler::in(const Bundle& bundle, Time now, Event event) {
  const auto it = bundle ? parts_.find(bundle) : parts_.end();
  if (it == parts_.end() || !it->second.scheduler) {
    event(free_);
    return open_parts(now);
  }
  event(*it->second.scheduler);
  file(bundle, it->second);
}

void BundledScheduler::file(const Bundle& bundle, Part& part) {
  if (const Time next = part.scheduler->next_tick(); next != part.next_tick) {
    due_.erase({part.next_tick, bundle});
    if (next != kNever) due_.emplace(next, bundle);
    part.next_tick = next;
  }
  if (const bool starving = part.scheduler->starving(); starving != part.starving) {
    starving ? ++starving_ : --starving_;
    part.starving = starving;
  }
}

void BundledScheduler::unfile(const Bundle& bundle, Part& part) {
  due_.erase({part.next_tick, bundle});
  starving_ -= part.starving ? 1 : 0;
}

// --- events

void BundledScheduler::blocked(ClientId worker, Time now) {
  in(routes_.of_worker(worker), now, [&](NodeScheduler& own) { own.blocked(worker, now); });
}

void BundledScheduler::unblocked(ClientId worker, Time now) {
  in(routes_.of_worker(worker), now, [&](NodeScheduler& own) { own.unblocked(worker, now); });
}

void BundledScheduler::ring_closed(ClientId worker, ClientId submitter, Time now) {
  in(routes_.of_worker(worker), now, [&](NodeScheduler& own) { own.ring_closed(worker, submitter, now); });
}

void BundledScheduler::keep_alive(ClientId worker, bool keep, Time now) {
  in(routes_.of_worker(worker), now, [&](NodeScheduler& own) { own.keep_alive(worker, keep, now); });
}

void BundledScheduler::set_demand(ClientId submitter, ShapeIndex shape, const ResourceSet& request,
                                  const Bundle& bundle, std::uint32_t wanted, Time now) {
  if (bundle && scheduler_of(bundle) == nullptr) {
    if (wanted == 0) return;
    return effects_.infeasible(submitter, shape,
                               "bundle " + std::to_string(bundle.index) + " of placement group " +
                                   std::to_string(bundle.group) +
                                   " is not on this node any more: the group was removed");
  }
  const auto client = bundle ? joined_.find(submitter) : joined_.end();
  if (client != joined_.end() && client->second.insert(bundle).second) {
    Part& part = parts_.at(bundle);
    part.clients.insert(submitter);
    part.scheduler->driver_joined(submitter, now);
  }
  in(bundle, now, [&](NodeScheduler& own) { own.set_demand(submitter, shape, request, wanted, now); });
}

void BundledScheduler::driver_joined(ClientId driver, Time now) {
  joined_.try_emplace(driver);
  free_.driver_joined(driver, now);
}

void BundledScheduler::worker_started(ClientId worker, Time now) {
  driver_joined(worker, now);
  in(routes_.of_worker(worker), now, [&](NodeScheduler& own) { own.worker_started(worker, now); });
}

void BundledScheduler::client_left(ClientId client, const std::string& status, Time now) {
  std::set<Bundle> bundles;
  if (auto joined = joined_.extract(client)) bundles = std::move(joined.mapped());
  for (const Bundle& bundle : bundles) parts_.at(bundle).clients.erase(client);
  if (const Bundle own = routes_.of_worker(client)) bundles.insert(own);
  routes_.worker_left(client);
  const auto leave = [&](NodeScheduler& scheduler) { scheduler.client_left(client, status, now); };
  for (const Bundle& bundle : bundles) in(bundle, now, leave);
  in({}, now, leave);
  for (const Bundle& bundle : bundles) drop_if_ended(bundle, now);
}

void BundledScheduler::return_lease(ClientId submitter, LeaseId lease, Time now) {
  if (submitter == reservations_) return;
  in(routes_.of_lease(lease), now, [&](NodeScheduler& own) { own.return_lease(submitter, lease, now); });
}

Time BundledScheduler::tick(Time now) {
  in({}, now, [&](NodeScheduler& free) { free.tick(now); });
  std::vector<Bundle> due;
  for (auto it = due_.begin(); it != due_.end() && it->first <= now; ++it) due.push_back(it->second);
  for (const Bundle& bundle : due) in(bundle, now, [&](NodeScheduler& own) { own.tick(now); });
  return due_.empty() ? free_.next_tick() : std::min(free_.next_tick(), due_.begin()->first);
}

bool BundledScheduler::starving() const { return free_.starving() || starving_ > 0; }

bool BundledScheduler::submits(ClientId client) const {
  if (free_.submits(client)) return true;
  const auto joined = joined_.find(client);
  return joined != joined_.end() &&
         std::any_of(joined->second.begin(), joined->second.end(),
                     [&](const Bundle& bundle) { return scheduler_of(bundle)->submits(client); });
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
  const NodeScheduler* own = scheduler_of(routes_.of_lease(lease));
  return (own != nullptr ? *own : free_).worker_of(submitter, lease);
}

Shortage BundledScheduler::shortage(ClientId submitter, ShapeIndex shape, const Bundle& bundle) const {
  const NodeScheduler* own = scheduler_of(bundle);
  return (own != nullptr ? *own : free_).shortages().of(submitter, shape);
}

std::string BundledScheduler::check_invariants() const {
  std::string broken = free_.check_invariants();
  std::size_t due = 0, starving = 0;
  for (const auto& [bundle, part] : parts_) {
    if (broken.empty() && part.scheduler) broken = part.scheduler->check_invariants();
    if (broken.empty() && part.scheduler && part.next_tick != part.scheduler->next_tick()) {
      broken = "BUNDLE-3: a bundle wants its tick at another time than is known";
    }
    due += part.next_tick != kNever ? 1 : 0;
    starving += part.scheduler && part.scheduler->starving() ? 1 : 0;
  }
  if (broken.empty() && due != due_.size()) broken = "BUNDLE-3: a tick is due in a bundle that is not here";
  if (broken.empty() && starving != starving_) broken = "BUNDLE-3: bundles in which a demand starves are miscounted";
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
void BundledScheduler::close_ring(ClientId worker, ClientId submitter) { effects_.close_ring(worker, submitter); }

}  // namespace manta::sched
