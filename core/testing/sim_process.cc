#include "core/testing/sim_process.h"

#include <algorithm>
#include <utility>

#include "core/testing/sim_doubt.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

owner::OwnerConfig config_of(const SimOptions& options) {
  owner::OwnerConfig config;
  config.max_in_flight = options.max_in_flight;
  config.idle_ticks = options.idle_ticks;
  // A simulated world lives for milliseconds.
  config.restarts = {std::chrono::microseconds(100), std::chrono::milliseconds(2), std::chrono::milliseconds(5)};
  return config;
}

}  // namespace

SimProcess::SimProcess(World& world, ClientId id, Role role)
    : world_(world),
      id_(id),
      role_(role),
      owner_(std::make_unique<owner::Owner>(id, config_of(world.options), *this)),
      executor_(world, *this) {
  world_.oracle.born(id);
}

SimProcess::~SimProcess() = default;

void SimProcess::start() {
  joined_ = true;
  send_to_node(message::Joined{});
  if (role_ == Role::driver) executor_.run_main({id_.value, detail::mix64(id_.value ^ world_.options.seed)});
}

void SimProcess::end(const std::string& status, bool tell_node) {
  if (!alive()) return;
  world_.trace.record("%c ends", id_);
  world_.oracle.died(id_);
  doubt_what_it_covered(world_, *this);
  doubt_what_travels_far(world_, id_);
  world_.store.forget_owner(id_);
  replicate_all();
  executor_.stop();
  forget_rings();
  rings_in_.clear();
  kept_.clear();
  owner_.reset();
  if (tell_node) send_to_node(message::Exited{status});
}

// What its standby owner knows is not lost.
void SimProcess::replicate_all() {
  owner_->objects().table().for_each([&](const owner::Entry& entry) {
    if (!entry.owned || !entry.extra || entry.extra->replication != owner::EntryExtra::Replication::done) return;
    world_.oracle.adopted({id_, entry.id});
    const bool stored = entry.value.in_arena();
    if (stored) world_.store.hand_over(entry.value.stored(), owner::standby_of(id_));
  });
}

void SimProcess::orphan() {
  drain({});
  forget_rings();
  orphaned_ = true;
  fail_open_work();
  after_event();
}

void SimProcess::fail_open_work() {
  owner_->fail_all(Error(ErrorCode::unavailable, "the node process of this machine has ended"));
}

void SimProcess::wind_down() {
  for (const Variable& variable : std::exchange(kept_, {})) drop(variable);
  after_event();
}

void SimProcess::send_to_node(Message message) {
  world_.network.send(address_of(id_), address_of(node_of(id_)), std::move(message));
}

// --- what arrives

void SimProcess::deliver(Message message) {
  if (!alive() || orphaned_) return;
  std::visit(Overloaded{
                 [&](const message::Granted& m) { on_granted(m); },
                 [&](const message::LeaseEnded& m) {
                   world_.trace.record("%c: %l ended", id_, m.lease);
                   drain({});
                   owner_->lease_ended(m.lease, m.status);
                   if (world_.random.chance(10)) owner_->lease_ended(m.lease, m.status);  // OWN-6
                   const auto it = rings_out_.find(m.lease);
                   if (it == rings_out_.end()) return;
                   if (!it->second->idle()) world_.oracle.fail("OWN-1: tasks left in the ring of a dead worker");
                   rings_out_.erase(it);
                 },
                 [&](const message::Infeasible& m) {
                   world_.trace.record("%c: shape %u cannot run", id_, m.shape);
                   if (m.shape < owner::kFirstActor) infeasible_[static_cast<owner::ShapeIndex>(m.shape)] = true;
                   if (m.shape >= owner::kFirstActor) world_.oracle.refused(id_);
                   wanted_[m.shape] = 0;
                   owner_->infeasible(m.shape, m.why);
                 },
                 [&](const message::AskBack& m) {
                   world_.trace.record("%c: asked for %u leases of shape %u", id_, m.count, m.shape);
                   owner_->leases().ask_back(m.shape, m.count);
                 },
                 [&](const message::ClientDied& m) { on_death(m); },
                 [&](const message::RingTo& m) { on_ring(m); },
                 [&](const message::NodeDied& m) { owner_->node_died(m.node, "was on a machine that stopped"); },
                 [&](const message::Settle& m) {
                   drain({});
                   owner_->borrowing().fail_over(owner::primary_of(m.standby));
                   send_to_node(message::Settled{m.standby, m.round});
                 },
                 [&](message::Peer& m) { on_peer(m); },
                 [&](const message::Mail& m) { on_mail(m); },
                 [&](const message::StopTask& m) {
                   world_.trace.record("%c: %o is to stop, recursive %u", id_, m.task, m.how.recursive);
                   drain({});
                   executor_.stop_task(m.from, m.task, m.how);
                 },
                 [&](const message::OpenRing& m) {
                   rings_in_.push_back(m.ring);
                   executor_.wake();
                 },
                 [&](const message::DropRing& m) {
                   std::erase_if(rings_in_, [&](const auto& ring) { return ring->lease == m.lease; });
                 },
                 [&](const message::CloseRing& m) { close_rings(m.submitter); },
                 [&](const auto&) { world_.oracle.fail("a process got a message that is not for processes"); },
             },
             message);
  after_event();
}

void SimProcess::on_granted(const message::Granted& granted) {
  if (granted.shape >= owner::kFirstActor) wanted_[granted.shape] = 0;  // SCHED-9
  world_.trace.record("%c: granted %l on %c, shape %u", id_, granted.lease, granted.worker, granted.shape);
  granted.ring->submitter_edge = this;
  rings_out_[granted.lease] = granted.ring;
  if (granted.ring->of_actor) {
    return owner_->actors().granted(granted.shape, granted.lease, granted.worker, *granted.ring);
  }
  owner_->leases().granted(granted.lease, granted.worker, static_cast<owner::ShapeIndex>(granted.shape), *granted.ring);
}

void SimProcess::on_peer(message::Peer& peer) {
  const bool of_actor = std::holds_alternative<owner::ActorAt>(peer.message) ||
                        std::holds_alternative<owner::ActorGone>(peer.message) ||
                        std::holds_alternative<owner::KillActor>(peer.message);
  drain(of_actor ? ClientId{} : peer.from);
  if (auto* fetched = std::get_if<owner::Fetched>(&peer.message)) {
    world_.trace.record("%c: %o fetched from %c", id_, fetched->object, peer.from);
    for (const detail::WireRef& ref : fetched->contained) {
      note_arrival(ref, std::find(peer.unsure.begin(), peer.unsure.end(), ref.object) != peer.unsure.end());
    }
  } else if (const auto* fetch = std::get_if<owner::Fetch>(&peer.message)) {
    world_.trace.record("%c: %o wanted by %c", id_, fetch->object, peer.from);
  } else if (const auto* borrower = std::get_if<owner::AddBorrower>(&peer.message)) {
    world_.trace.record("%c: %o borrowed by %c of %c", id_, borrower->object, borrower->client, peer.from);
  } else if (const auto* back = std::get_if<owner::RemoveBorrower>(&peer.message)) {
    world_.trace.record("%c: %o given back by %c, %u times", id_, back->object, peer.from, back->count);
  } else if (const auto* find = std::get_if<owner::FindActor>(&peer.message)) {
    world_.trace.record("%c: where actor %o is, asks %c", id_, find->actor, peer.from);
  } else if (const auto* at = std::get_if<owner::ActorAt>(&peer.message)) {
    world_.trace.record("%c: actor %o is at %c, says %c", id_, at->actor, at->worker, peer.from);
  } else if (const auto* gone = std::get_if<owner::ActorGone>(&peer.message)) {
    world_.trace.record("%c: actor %o is gone, says %c", id_, gone->actor, peer.from);
  } else if (const auto* kill = std::get_if<owner::KillActor>(&peer.message)) {
    world_.trace.record("%c: actor %o is to be killed for %c, restart %u", id_, kill->actor, peer.from, kill->restart);
  }
  if (const auto* cancel = std::get_if<owner::CancelTask>(&peer.message)) {
    world_.trace.record("%c: %o is cancelled by %c, recursive %u", id_, cancel->object, peer.from,
                        cancel->how.recursive);
    world_.oracle.cancelled(ObjectKey{id_, cancel->object}, cancel->how.recursive);
  }
  owner_->receive(peer.from, peer.message);
}

void SimProcess::on_mail(const message::Mail& mail) {
  world_.trace.record("%c: %o by mail from %c", id_, mail.ref.object, mail.from);
  note_arrival(mail.ref, mail.unsure);
  keep(adopt(owner_->borrowing().import(mail.ref, true)));
}

void SimProcess::note_arrival(const detail::WireRef& ref, bool unsure) {
  if (unsure) world_.oracle.make_unsure(id_, ref.object);
}

void SimProcess::close_rings(ClientId submitter) {
  if (executor_.hosts_actor_of(submitter)) return executor_.end_actor();
  for (const auto& ring : rings_in_) {
    if (ring->submitter == submitter) ring->closed = true;
  }
  std::erase_if(rings_in_, [&](const auto& ring) { return ring->submitter == submitter; });
  if (executor_.submitter() != submitter) send_to_node(message::RingClosed{submitter});
}

// --- rings that this process submits to

void SimProcess::poke() {
  if (poked_ || !alive()) return;
  poked_ = true;
  world_.schedule.after(world_.random_time(std::chrono::microseconds(world_.random.chance(10) ? 1000 : 20)), [this] {
    poked_ = false;
    if (!alive()) return;
    drain({});
    after_event();
  });
}

void SimProcess::drain(ClientId worker) {
  const auto rings = rings_out_;  // results may end leases
  const auto links = links_;
  for (const auto& [callee, ring] : links) {
    RingRecord record;
    while ((!worker || callee == worker) && ring->pop_done(record)) take_result(record);
  }
  for (const auto& [lease, ring] : rings) {
    if (worker && ring->worker != worker) continue;
    RingRecord record;
    while (ring->pop_done(record)) take_result(record);
    if (ring->worker_blocked == ring->submitter_sees_blocked) continue;
    ring->submitter_sees_blocked = ring->worker_blocked;
    owner_->leases().set_blocked(lease, ring->worker_blocked);
  }
}

void SimProcess::take_result(RingRecord& record) {
  world_.trace.record("%c: result of %o", id_, record.id);
  for (const detail::WireRef& ref : record.outcome.contained) {
    note_arrival(ref, std::find(record.unsure.begin(), record.unsure.end(), ref.object) != record.unsure.end());
  }
  owner_->finished(*record.entry, std::move(record.outcome));
}

std::uint64_t SimProcess::task_of(const owner::Entry& entry) const {
  if (submitting_.second != 0 && submitting_.first == entry.id) return submitting_.second;
  return tasks_.at(&entry);
}

void SimProcess::describe(const owner::Entry& entry, RingRecord& record) {
  record.task = task_of(entry);
  if (!entry.extra) return;
  for (owner::Entry* reference : entry.extra->references) {
    // The worker reads it in place, and so holds the object.
    if (reference->value.in_arena()) record.stored.push_back(export_ref(*reference));
  }
}

void SimProcess::published(SimRing& ring) {
  // A worker's doorbell.
  SimProcess* worker = world_.find(ring.worker);
  if (worker != nullptr && worker->alive()) worker->executor().wake();
}

// --- what the owner does

void SimProcess::set_demand(owner::DemandIndex shape, const sched::ResourceSet& request, std::uint32_t wanted) {
  world_.trace.record("%c wants %u leases of shape %u", id_, wanted, shape);
  wanted_[shape] = wanted;
  send_to_node(message::SetDemand{shape, request, wanted});
}

std::chrono::nanoseconds SimProcess::now() const { return world_.now(); }

void SimProcess::return_lease(LeaseId lease) {
  world_.trace.record("%c returns %l", id_, lease);
  const auto it = rings_out_.find(lease);
  if (it == rings_out_.end()) return world_.oracle.fail("OWN-5: a lease is returned that is not held");
  if (!it->second->idle()) world_.oracle.fail("OWN-5: a lease is returned with tasks in its ring");
  it->second->submitter_edge = nullptr;
  rings_out_.erase(it);
  send_to_node(message::ReturnLease{lease});
}

// Also to itself by way of the node, as in production: nothing is called back in the middle of an event.
void SimProcess::stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) {
  send_to_node(message::StopTask{id_, worker, task, how});
}

void SimProcess::send(ClientId to, owner::PeerMessage message) {
  if (to == id_) return world_.oracle.fail("a process writes to itself");
  message::Peer peer{id_, to, std::move(message), {}};
  if (const auto* fetched = std::get_if<owner::Fetched>(&peer.message)) {
    for (const detail::WireRef& ref : fetched->contained) {
      if (world_.oracle.unsure(id_, ref.object)) peer.unsure.push_back(ref.object);
    }
  } else if (const auto* back = std::get_if<owner::RemoveBorrower>(&peer.message)) {
    // If the borrow was never announced, the owner's count for us is one short for ever, and so is a later borrow's.
    if (!world_.oracle.tolerates_leak({original(to), back->object})) world_.oracle.make_sure(id_, back->object);
  }
  send_to_node(std::move(peer));
}

void SimProcess::free(const owner::Location& location) {
  if (!world_.store.free(std::get<owner::StoredLocation>(location)))
    world_.oracle.fail("OWN-3: a block of the store is freed twice");
}

void SimProcess::replicate(std::vector<owner::Replica> replicas) {
  send_to_node(message::Replicate{std::move(replicas)});
}

void SimProcess::withdraw(std::vector<ObjectId> objects) { send_to_node(message::Withdraw{std::move(objects)}); }

void SimProcess::resolved(owner::Entry& entry) {
  world_.trace.record("%c: %o is resolved", id_, entry.id);
  if (entry.value.failed()) failed_[entry.id] = entry.value.error().code();
  if (entry.owned) {
    const std::uint64_t task = task_of(entry);
    world_.oracle.resolved(task, entry, excused(entry, task));
  }
  executor_.wake();
}

bool SimProcess::excused(const owner::Entry& entry, std::uint64_t task) const {
  if (!entry.value.failed()) return false;
  const ErrorCode code = entry.value.error().code();
  if (orphaned_ && code == ErrorCode::unavailable) return true;
  if (code == ErrorCode::invalid_argument && infeasible_.contains(entry.shape)) return true;
  const auto it = references_.find(task);
  if (it == references_.end()) return false;
  return std::any_of(it->second.begin(), it->second.end(), [&](const ObjectId& id) {
    const auto failed = failed_.find(id);
    return failed != failed_.end() && failed->second == code;
  });
}

void SimProcess::after_event() {
  if (!alive()) return;
  if (!ticking_ && owner_->busy() && !orphaned_) {
    ticking_ = true;
    world_.schedule.after(world_.options.owner_tick, [this] { tick(); });
  }
  const bool keep = role_ == Role::worker && (owner_->objects().table().live() > 0 || !kept_.empty());
  if (keep != kept_alive_) {
    kept_alive_ = keep;
    send_to_node(message::KeepAlive{keep});
  }
  if (++events_ % 64 != 0 || releases_ > 0) return;
  if (std::string broken = owner_->check_invariants(); !broken.empty()) {
    world_.oracle.fail(broken + ", in " + name_of_client(id_.value));
  }
  for (const auto& [lease, ring] : rings_out_) {
    if (ring->of_actor || owner_->leases().find(lease) != nullptr) continue;
    world_.oracle.fail("OWN-5: " + name_of_client(id_.value) + " has forgotten its lease on " +
                       name_of_client(ring->worker.value));
  }
}

void SimProcess::tick() {
  ticking_ = false;
  if (!alive() || orphaned_) return;
  owner_->tick(world_.random.chance(10));  // a hint, and true or not at any time
  after_event();
}

std::string SimProcess::why_not_quiet() const {
  if (!alive()) return {};
  const std::string who = name_of_client(id_.value);
  if (!executor_.idle()) return "OWN-1: " + who + " still runs " + executor_.what_runs();
  if (executor_.hosts_actor() && world_.oracle.must_end(executor_.actor())) {
    return "OWN-3: " + who + " still hosts an actor";
  }
  if (owner_->tasks().unfinished() > 0) return "OWN-1: " + who + " has unfinished tasks";
  if (!kept_.empty() || releases_ > 0) return "OWN-3: " + who + " holds kept references";
  if (!orphaned_ && owner_->busy()) return "OWN-5: " + who + " holds leases";
  for (const auto& [shape, wanted] : wanted_) {
    if (wanted == 0 || orphaned_) continue;
    if (shape >= owner::kFirstActor && world_.oracle.tolerates_leaks()) continue;  // an actor whose handle leaks
    return "OWN-5: " + who + " still wants leases of shape " + std::to_string(shape);
  }
  return what_is_left();
}

std::string SimProcess::what_is_left() const {
  if (owner_->objects().table().live() == 0 || !world_.oracle.reachable(id_)) return {};
  std::set<ObjectKey> tolerated;
  if (world_.oracle.tolerates_leaks()) tolerated = world_.oracle.tolerated_leaks();
  std::string left;
  owner_->objects().table().for_each([&](const owner::Entry& entry) {
    const ObjectKey key{entry.owned ? id_ : original(entry.owner), entry.id};
    if (tolerated.contains(key) || !left.empty()) return;
    left = "OWN-3: " + name_of_client(id_.value) + " keeps " + (entry.owned ? "its own " : "borrowed ") +
           entry.id.to_string() + ", references: " + std::to_string(entry.refs.load()) +
           ", releases to come: " + std::to_string(entry.late_releases);
    if (!entry.extra) return;
    for (const auto& borrower : entry.extra->borrowers) {
      left += ", borrower " + name_of_client(borrower.client.value) + ": " + std::to_string(borrower.count);
    }
  });
  return left;
}

}  // namespace manta::sim
