// Queues per resource shape, leases, and what goes into which ring.
#include <algorithm>
#include <bit>
#include <utility>

#include "core/base/planted_bug.h"
#include "core/owner/owner.h"

namespace manta::owner {

ShapeIndex Owner::shape_of(const sched::ResourceSet& request, const sched::Where& where) {
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    if (shapes_[i]->request == request && shapes_[i]->where == where) return static_cast<ShapeIndex>(i);
  }
  auto shape = std::make_unique<Shape>();
  shape->where = where;
  shape->request = request;
  shapes_.push_back(std::move(shape));
  return static_cast<ShapeIndex>(shapes_.size() - 1);
}

TaskQueue& Owner::queue_of(const Entry& entry) {
  return entry.kind == Kind::call ? entry.actor->calls : shapes_[entry.shape]->queue;
}

void Owner::link(Entry& entry, bool front) {
  TaskQueue& queue = queue_of(entry);
  Entry* neighbour = front ? queue.front : queue.back;
  entry.previous = front ? nullptr : neighbour;
  entry.next = front ? neighbour : nullptr;
  if (neighbour != nullptr) (front ? neighbour->previous : neighbour->next) = &entry;
  if (front || queue.front == nullptr) queue.front = &entry;
  if (!front || queue.back == nullptr) queue.back = &entry;
  ++queue.size;
}

void Owner::enqueue(Entry& entry, bool front) {
  entry.phase = Phase::queued;
  if (entry.kind == Kind::task) entry.lease = nullptr;
  link(entry, front);
}

void Owner::unlink(Entry& entry) {
  TaskQueue& queue = queue_of(entry);
  (entry.previous != nullptr ? entry.previous->next : queue.front) = entry.next;
  (entry.next != nullptr ? entry.next->previous : queue.back) = entry.previous;
  entry.previous = entry.next = nullptr;
  --queue.size;
}

Lease* Owner::pick(Shape& shape) {
  Lease* best = nullptr;
  for (Lease* lease : shape.leases) {
    if (lease->blocked || lease->yielding || lease->full || lease->in_flight >= config_.max_in_flight) continue;
    if (best == nullptr || lease->in_flight < best->in_flight) best = lease;
    if (best->in_flight == 0) break;
  }
  return best;
}

void Owner::dispatch(Shape& shape) {
  std::uint64_t tries = shape.starved ? 0 : shape.queue.size;
  while (shape.queue.front != nullptr && tries > 0) {
    Lease* lease = pick(shape);
    if (lease == nullptr) return;
    Entry& entry = *shape.queue.front;
    if (pressed_ticks_ > 0 && lease->in_flight > 0 && has_stored_arguments(entry)) return;
    unlink(entry);
    entry.lease = lease;
    entry.phase = Phase::pushed;
    const Arguments arguments = entry.ref_mask == 0 ? Arguments::present : restore_arguments(entry);
    if (arguments == Arguments::no_space) {
      enqueue(entry, false);  // others may need none, or make some
      shape.starved = --tries == 0;
    }
    if (arguments != Arguments::present) continue;
    if (lease->link->push(entry)) {
      ++lease->in_flight;
      ++shape.started;
      shape.starved_ticks = 0;
      continue;
    }
    lease->full = true;
    enqueue(entry, true);
  }
}

std::uint64_t Owner::needed(const Shape& shape) const {
  std::uint64_t n = shape.queue.size;
  for (const Lease* lease : shape.leases) {
    if (!lease->blocked) n += lease->in_flight;
  }
  return n;
}

// Raises what the node knows, in powers of two, so that a loop of submits costs few messages; tick lowers it. At once
// where no lease can take the tasks; else at a tick, and only if they would not be done by the next one: tiny tasks are
// best left to one worker.
void Owner::update_demand(ShapeIndex index, bool at_tick) {
  Shape& shape = *shapes_[index];
  const std::uint64_t need = std::min<std::uint64_t>(config_.max_leases, needed(shape));
  if (need <= shape.wanted) return;
  std::uint64_t usable = 0, finished = 0;
  for (const Lease* lease : shape.leases) {
    if (lease->blocked || lease->yielding) continue;
    ++usable;
    finished += lease->finished - lease->finished_at_tick;
  }
  if (usable >= need || (usable > 0 && (!at_tick || finished > needed(shape)))) return;
  shape.wanted = std::min<std::uint64_t>(config_.max_leases, std::bit_ceil(need));
  shape.low_ticks = 0;
  effects_.set_demand(index, shape.request, shape.wanted);
}

void Owner::lease_granted(LeaseId id, ClientId worker, ShapeIndex index, WorkerLink& link) {
  auto lease = std::make_unique<Lease>();
  lease->id = id;
  lease->worker = worker;
  lease->shape = index;
  lease->link = &link;
  Shape& shape = *shapes_[index];
  shape.leases.push_back(lease.get());
  if (shape.starved_ticks == 0) ++shape.started;  // else it waits for room in the store, whatever leases come and go
  leases_.emplace(id, std::move(lease));
  dispatch(shape);
  rebalance(shape);
}

Lease* Owner::find_lease(LeaseId id) {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : it->second.get();
}

// An idle lease and nothing queued: take half of what waits in the longest ring.
void Owner::rebalance(Shape& shape) {
  if (shape.queue.size != 0 || shape.leases.size() < 2) return;
  Lease* idle = nullptr;
  Lease* longest = nullptr;
  for (Lease* lease : shape.leases) {
    if (!lease->blocked && !lease->yielding && !lease->full && lease->in_flight == 0) idle = lease;
    if (lease->in_flight >= 2 && (longest == nullptr || lease->in_flight > longest->in_flight)) longest = lease;
  }
  if (idle == nullptr || longest == nullptr) return;
  for (std::uint32_t n = longest->in_flight / 2; n > 0; --n) {
    Entry* entry = longest->link->take_back_last();
    if (entry == nullptr) break;
    --longest->in_flight;
    enqueue(*entry, true);
  }
  dispatch(shape);
}

void Owner::take_all_back(Lease& lease) {
  while (Entry* entry = lease.link->take_back_last()) {
    --lease.in_flight;
    entry->lease = nullptr;
    if (cancelled(*entry)) {  // of a worker that is lost, before it could say that it had not started
      fail(*entry, cancelled_error(*entry, "before it started"));
    } else {
      enqueue(*entry, true);  // newest first, so the order is kept
    }
  }
}

void Owner::after_finish(Lease& lease) {
  Shape& shape = *shapes_[lease.shape];
  if (lease.yielding) {
    if (lease.in_flight == 0) drop_lease(lease, !planted_bug(10));
    return;
  }
  if (shape.queue.front != nullptr) {
    dispatch(shape);
  } else if (lease.in_flight == 0) {
    rebalance(shape);
  }
}

void Owner::drop_lease(Lease& lease, bool give_back) {
  Shape& shape = *shapes_[lease.shape];
  std::erase(shape.leases, &lease);
  const LeaseId id = lease.id;
  leases_.erase(id);
  if (give_back) effects_.return_lease(id);
}

void Owner::set_blocked(LeaseId id, bool blocked) {
  Lease* lease = find_lease(id);
  if (lease == nullptr || lease->blocked == blocked) return;
  lease->blocked = blocked;
  lease->full = false;
  if (blocked) take_all_back(*lease);
  dispatch(*shapes_[lease->shape]);
  update_demand(lease->shape);
}

void Owner::lease_ended(LeaseId id, const std::string& status) {
  for (const auto& [index, actor] : actors_) {
    if (actor->lease == id) return actor_lost(*actor, status);
  }
  Lease* lease = find_lease(id);
  if (lease == nullptr) return;  // OWN-6
  const ShapeIndex index = lease->shape;
  lease->yielding = true;  // nothing more goes in, whatever the steps below resolve
  take_all_back(*lease);
  while (Entry* entry = lease->link->next_lost()) {
    --lease->in_flight;
    attempt_lost(*entry, status);
  }
  drop_lease(*lease, false);
  dispatch(*shapes_[index]);
  update_demand(index);
}

void Owner::infeasible(DemandIndex demand, const std::string& why) {
  if (Actor* actor = find_actor(demand)) {
    actor->demanded = false;
    if (actor->state == Actor::State::pending) {
      actor->not_made = true;
      actor_dead(*actor, Error(ErrorCode::invalid_argument, label_of(*actor->handle) + " cannot run: " + why));
    }
    return;
  }
  if (demand >= shapes_.size()) return;
  const auto index = static_cast<ShapeIndex>(demand);
  Shape& shape = *shapes_[index];
  // A later submit asks again. The node may have heard of a demand after it refused: it is withdrawn.
  if (std::exchange(shape.wanted, 0) > 0) effects_.set_demand(index, shape.request, 0);
  std::vector<Entry*> refused;
  for (Entry* entry = shape.queue.front; entry != nullptr; entry = entry->next) refused.push_back(entry);
  for (Entry* entry : refused) hold(*entry);
  for (Entry* entry : refused) {
    if (entry->phase == Phase::queued) {
      fail(*entry, Error(ErrorCode::invalid_argument, label_of(*entry) + " cannot run: " + why));
    }
  }
  drop_holds(refused);
}

void Owner::came_back(Entry& entry) {
  if (entry.phase != Phase::pushed) return;  // OWN-6
  if (cancelled(entry)) return taken_out(entry);
  const ShapeIndex index = entry.shape;
  Lease* lease = entry.lease;
  enqueue(entry, true);
  if (lease != nullptr) {
    --lease->in_flight;
    lease->full = false;
    after_finish(*lease);
  }
  dispatch(*shapes_[index]);
  update_demand(index);
}

void Owner::ask_back(DemandIndex demand, std::uint32_t count, NodeId node) {
  if (demand >= shapes_.size()) return;
  const auto index = static_cast<ShapeIndex>(demand);
  Shape& shape = *shapes_[index];
  for (int pass = 0; pass < 2 && count > 0; ++pass) {  // idle ones first
    const std::vector<Lease*> leases = shape.leases;
    for (Lease* lease : leases) {
      if (count == 0) break;
      if (lease->blocked || lease->yielding || (pass == 0 && lease->in_flight > 0)) continue;
      if (node && node_of(lease->worker) != node) continue;
      --count;
      lease->yielding = true;
      take_all_back(*lease);
      if (lease->in_flight == 0) drop_lease(*lease, true);
    }
  }
  dispatch(shape);
  update_demand(index);
}

void Owner::want(Entry& first) {
  std::vector<Entry*> todo{&first};
  std::vector<Entry*> lost;
  while (!todo.empty()) {
    Entry& entry = *todo.back();
    todo.pop_back();
    if (entry.wanted || entry.phase == Phase::resolved) continue;
    if (entry.phase == Phase::borrowed) {
      entry.wanted = true;
      if (is_dead(entry.owner)) {
        hold(entry);
        lost.push_back(&entry);
      } else {
        effects_.send(entry.owner, Fetch{entry.id});
      }
    } else if (entry.phase == Phase::queued && entry.kind == Kind::task) {
      entry.wanted = true;
      unlink(entry);
      enqueue(entry, true);
    } else if (entry.phase == Phase::lost) {
      if (rebuild(entry)) {
        entry.wanted = true;
        ready(entry);
      } else {
        todo.push_back(&entry);  // for what it waits for
      }
    } else if (entry.phase == Phase::waiting) {
      entry.wanted = true;
      for (Entry* reference : entry.extra->references) todo.push_back(reference);
    }
  }
  // Last, because it fails their dependents too.
  for (Entry* entry : lost) {
    if (entry->phase == Phase::borrowed) fail(*entry, lost_with_owner(*entry, "has ended"));
  }
  drop_holds(lost);
}

bool Owner::claim(Entry& entry) {
  if (entry.kind != Kind::task) return false;
  if (entry.phase == Phase::queued) {
    unlink(entry);
  } else if (entry.phase == Phase::pushed) {
    if (!entry.lease->link->take_back(entry) && !planted_bug(6)) return false;
    --entry.lease->in_flight;
    entry.lease = nullptr;
  } else {
    return false;
  }
  entry.phase = Phase::here;
  ++shapes_[entry.shape]->started;
  return true;
}

namespace {

// A constructor's result has to be fetched even if no thread of the program waits for anything.
bool wants_tick(const Actor& actor) {
  return actor.full || actor.state == Actor::State::starting ||
         (actor.state == Actor::State::pending && actor.starts_at) ||
         (actor.state == Actor::State::ending && !actor.pushed);
}

}  // namespace

// Demand without tasks or leases is left where the tasks ran in the threads that waited for them: it has to be
// withdrawn too (OWN-5), or the node goes on to ask others for their leases.
bool Owner::busy() const {
  return unfinished_ > 0 || !leases_.empty() || !unanswered_.empty() || !forced_.empty() ||
         std::any_of(actors_.begin(), actors_.end(), [](const auto& actor) { return wants_tick(*actor.second); }) ||
         std::any_of(shapes_.begin(), shapes_.end(), [](const auto& shape) { return shape->wanted > 0; });
}

void Owner::tick(bool others_wait, std::uint32_t milliseconds) {
  for (const auto& [id, lease] : leases_) lease->full = false;
  tick_spilled(milliseconds);
  tick_forced();
  tick_limits();
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const auto index = static_cast<ShapeIndex>(i);
    Shape& shape = *shapes_[i];
    dispatch(shape);
    const std::uint64_t need = needed(shape);
    const std::uint64_t target = need == 0 ? 0 : std::min<std::uint64_t>(config_.max_leases, std::bit_ceil(need));
    shape.low_ticks = target < shape.wanted ? shape.low_ticks + 1 : 0;
    if (shape.low_ticks >= (others_wait ? 1 : config_.idle_ticks)) {
      shape.low_ticks = 0;
      shape.wanted = static_cast<std::uint32_t>(target);
      effects_.set_demand(index, shape.request, shape.wanted);
    } else {
      update_demand(index, true);
    }
  }
  std::vector<Lease*> idle;
  for (const auto& [id, lease] : leases_) {
    const bool worked = lease->finished != lease->finished_at_tick || lease->in_flight > 0;
    lease->finished_at_tick = lease->finished;
    lease->idle_ticks = worked ? 0 : lease->idle_ticks + 1;
    const bool give_way = others_wait && lease->in_flight == 0;
    if (give_way || lease->idle_ticks >= config_.idle_ticks) idle.push_back(lease.get());
  }
  for (Lease* lease : idle) drop_lease(*lease, true);
  std::vector<DemandIndex> waiting;
  for (const auto& [number, actor] : actors_) {
    if (wants_tick(*actor)) waiting.push_back(number);
  }
  for (const DemandIndex number : waiting) {
    Actor* actor = find_actor(number);  // or it went with another
    if (actor == nullptr) continue;
    actor->full = false;
    switch (actor->state) {
      case Actor::State::pending:
        start_if_due(*actor);
        break;
      case Actor::State::starting:
        construct(*actor);
        break;
      case Actor::State::ending:
        end_worker(*actor);
        break;
      default:
        dispatch(*actor);
        break;
    }
  }
}

}  // namespace manta::owner
