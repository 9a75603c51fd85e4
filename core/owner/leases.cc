#include "core/owner/leases.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/base/planted_bug.h"

namespace manta::owner {

namespace {

bool has_stored_arguments(const Entry& task) {
  if (task.ref_mask == 0) return false;
  const std::vector<Entry*>& references = task.extra->references;
  return std::any_of(references.begin(), references.end(),
                     [](const Entry* reference) { return reference->value.kind() == Value::Kind::stored; });
}

}  // namespace

ShapeIndex Leases::shape_of(const sched::ResourceSet& request, const sched::Where& where) {
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    if (shapes_[i]->request == request && shapes_[i]->where == where) return static_cast<ShapeIndex>(i);
  }
  auto shape = std::make_unique<Shape>();
  shape->where = where;
  shape->request = request;
  shapes_.push_back(std::move(shape));
  return static_cast<ShapeIndex>(shapes_.size() - 1);
}

// --- tasks

void Leases::ready(Entry& task) {
  enqueue(task, task.wanted);
  dispatch(task.shape);
}

void Leases::again(Entry& task) {
  enqueue(task, true);
  dispatch(task.shape);
}

void Leases::promote(Entry& task) {
  unlink(task);
  enqueue(task, true);
}

void Leases::enqueue(Entry& task, bool front) {
  task.phase = Phase::queued;
  task.lease = nullptr;
  shapes_[task.shape]->queue.insert(task, front);
}

bool Leases::claim(Entry& task) {
  if (task.kind != Kind::task) return false;
  if (task.phase == Phase::queued) {
    unlink(task);
  } else if (task.phase == Phase::pushed) {
    if (!task.lease->link->take_back(task) && !planted_bug(6)) return false;
    --task.lease->in_flight;
    task.lease = nullptr;
  } else {
    return false;
  }
  task.phase = Phase::here;
  ++shapes_[task.shape]->started;
  return true;
}

void Leases::came_back(Entry& task) {
  if (task.phase != Phase::pushed) return;  // OWN-6
  if (cancelled(task)) return taken_out(task);
  const ShapeIndex index = task.shape;
  Lease* lease = task.lease;
  enqueue(task, true);
  if (lease != nullptr) {
    --lease->in_flight;
    lease->full = false;
    task_ended(*lease);
  }
  dispatch(index);
}

void Leases::taken_out(Entry& task) {
  const Error error = labels_.cancelled(task, "before it started");
  Lease* lease = std::exchange(task.lease, nullptr);
  if (lease == nullptr) return context_.fail(task, error);
  const LeaseId id = lease->id;
  --lease->in_flight;
  lease->full = false;
  context_.fail(task, error);
  if (Lease* still = find(id)) task_ended(*still);
}

// --- what goes into which ring

void Leases::dispatch(ShapeIndex index) {
  dispatch(*shapes_[index]);
  update_demand(index);
}

Lease* Leases::pick(Shape& shape) const {
  Lease* best = nullptr;
  for (Lease* lease : shape.leases) {
    if (lease->blocked || lease->yielding || lease->full || lease->in_flight >= limits_.max_in_flight) continue;
    if (best == nullptr || lease->in_flight < best->in_flight) best = lease;
    if (best->in_flight == 0) break;
  }
  return best;
}

void Leases::dispatch(Shape& shape) {
  std::uint64_t tries = shape.starved ? 0 : shape.queue.size;
  while (shape.queue.front != nullptr && tries > 0) {
    Lease* lease = pick(shape);
    if (lease == nullptr) return;
    Entry& entry = *shape.queue.front;
    if (pressed_ticks_ > 0 && lease->in_flight > 0 && has_stored_arguments(entry)) return;
    unlink(entry);
    entry.lease = lease;
    entry.phase = Phase::pushed;
    const Arguments arguments = entry.ref_mask == 0 ? Arguments::present : context_.bring_arguments(entry);
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

// An idle lease and nothing queued: take half of what waits in the longest ring.
void Leases::rebalance(Shape& shape) {
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

void Leases::take_all_back(Lease& lease) {
  while (Entry* entry = lease.link->take_back_last()) {
    --lease.in_flight;
    entry->lease = nullptr;
    if (cancelled(*entry)) {  // of a worker that is lost, before it could say that it had not started
      context_.fail(*entry, labels_.cancelled(*entry, "before it started"));
    } else {
      enqueue(*entry, true);  // newest first, so the order is kept
    }
  }
}

// --- demand

std::uint64_t Leases::needed(const Shape& shape) {
  std::uint64_t n = shape.queue.size;
  for (const Lease* lease : shape.leases) {
    if (!lease->blocked) n += lease->in_flight;
  }
  return n;
}

// Raises what the node knows, in powers of two, so that a loop of submits costs few messages; tick lowers it. At once
// where no lease can take the tasks; else at a tick, and only if they would not be done by the next one: tiny tasks are
// best left to one worker.
void Leases::update_demand(ShapeIndex index, bool at_tick) {
  Shape& shape = *shapes_[index];
  const std::uint64_t need = std::min<std::uint64_t>(limits_.max_leases, needed(shape));
  if (need <= shape.wanted) return;
  std::uint64_t usable = 0, finished = 0;
  for (const Lease* lease : shape.leases) {
    if (lease->blocked || lease->yielding) continue;
    ++usable;
    finished += lease->finished - lease->finished_at_tick;
  }
  if (usable >= need || (usable > 0 && (!at_tick || finished > needed(shape)))) return;
  shape.wanted = std::min<std::uint64_t>(limits_.max_leases, std::bit_ceil(need));
  shape.low_ticks = 0;
  effects_.set_demand(index, shape.request, shape.wanted);
}

// --- leases

void Leases::granted(LeaseId id, ClientId worker, ShapeIndex index, WorkerLink& link) {
  auto lease = std::make_unique<Lease>();
  lease->id = id;
  lease->worker = worker;
  lease->shape = index;
  lease->link = &link;
  Shape& shape = *shapes_[index];
  shape.leases.push_back(lease.get());
  if (shape.starved_ticks == 0) ++shape.started;  // else it waits for space in the store, whatever leases come and go
  leases_.emplace(id, std::move(lease));
  dispatch(shape);
  rebalance(shape);
}

Lease* Leases::find(LeaseId id) const {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : it->second.get();
}

void Leases::task_ended(Lease& lease) {
  Shape& shape = *shapes_[lease.shape];
  if (lease.yielding) {
    if (lease.in_flight == 0) drop(lease, !planted_bug(10));
    return;
  }
  if (shape.queue.front != nullptr) {
    dispatch(shape);
  } else if (lease.in_flight == 0) {
    rebalance(shape);
  }
}

void Leases::drop(Lease& lease, bool give_back) {
  Shape& shape = *shapes_[lease.shape];
  std::erase(shape.leases, &lease);
  const LeaseId id = lease.id;
  leases_.erase(id);
  if (give_back) effects_.return_lease(id);
}

void Leases::set_blocked(LeaseId id, bool blocked) {
  Lease* lease = find(id);
  if (lease == nullptr || lease->blocked == blocked) return;
  lease->blocked = blocked;
  lease->full = false;
  if (blocked) take_all_back(*lease);
  dispatch(lease->shape);
}

void Leases::ended(LeaseId id, const std::string& status) {
  Lease* lease = find(id);
  if (lease == nullptr) return;  // OWN-6
  const ShapeIndex index = lease->shape;
  lease->yielding = true;  // nothing more goes in, whatever the steps below resolve
  take_all_back(*lease);
  while (Entry* entry = lease->link->next_lost()) {
    --lease->in_flight;
    if (context_.attempt_lost(*entry, status)) enqueue(*entry, true);
  }
  drop(*lease, false);
  dispatch(index);
}

void Leases::infeasible(ShapeIndex index, const std::string& why) {
  Shape& shape = *shapes_[index];
  // A later submit asks again. The node may have heard of a demand after it refused: it is withdrawn.
  if (std::exchange(shape.wanted, 0) > 0) effects_.set_demand(index, shape.request, 0);
  std::vector<Entry*> refused;
  for (Entry* entry = shape.queue.front; entry != nullptr; entry = entry->next) refused.push_back(entry);
  for (Entry* entry : refused) objects_.hold(*entry);
  for (Entry* entry : refused) {
    if (entry->phase == Phase::queued) {
      context_.fail(*entry, Error(ErrorCode::invalid_argument, labels_.label_of(*entry) + " cannot run: " + why));
    }
  }
  objects_.drop_holds(refused);
}

void Leases::ask_back(DemandIndex demand, std::uint32_t count, NodeId node) {
  if (!has_shape(demand)) return;
  const auto index = static_cast<ShapeIndex>(demand);
  const Shape& shape = *shapes_[index];
  for (int pass = 0; pass < 2 && count > 0; ++pass) {  // idle ones first
    const std::vector<Lease*> leases = shape.leases;
    for (Lease* lease : leases) {
      if (count == 0) break;
      if (lease->blocked || lease->yielding || (pass == 0 && lease->in_flight > 0)) continue;
      if (node && node_of(lease->worker) != node) continue;
      --count;
      lease->yielding = true;
      take_all_back(*lease);
      if (lease->in_flight == 0) drop(*lease, true);
    }
  }
  dispatch(index);
}

void Leases::vacate(Lease& lease) {
  const ShapeIndex index = lease.shape;
  lease.yielding = true;
  take_all_back(lease);
  dispatch(index);
}

void Leases::pressed() {
  pressed_ticks_ = limits_.pressed_ticks;
  for (const auto& [id, lease] : leases_) take_all_back(*lease);
}

void Leases::drop_all() {
  while (!leases_.empty()) drop(*leases_.begin()->second, false);
  for (const auto& shape : shapes_) shape->wanted = 0;
}

bool Leases::busy() const {
  return !leases_.empty() ||
         std::any_of(shapes_.begin(), shapes_.end(), [](const auto& shape) { return shape->wanted > 0; });
}

void Leases::running(std::vector<Entry*>& entries) const {
  for (const auto& [id, lease] : leases_) lease->link->running(entries);
}

void Leases::tick_starved(std::uint32_t milliseconds) {
  if (pressed_ticks_ > 0) --pressed_ticks_;
  for (const auto& shape : shapes_) {
    if (!std::exchange(shape->starved, false)) continue;
    if ((shape->starved_ticks += milliseconds) < limits_.restore_ticks) continue;
    shape->starved_ticks = 0;
    Entry* front = shape->queue.front;
    if (front != nullptr) context_.fail(*front, context_.no_space("an argument of " + labels_.label_of(*front)));
  }
}

void Leases::tick(bool others_wait, std::uint32_t milliseconds) {
  for (const auto& [id, lease] : leases_) lease->full = false;
  tick_starved(milliseconds);
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const auto index = static_cast<ShapeIndex>(i);
    Shape& shape = *shapes_[i];
    dispatch(shape);
    const std::uint64_t need = needed(shape);
    const std::uint64_t target = need == 0 ? 0 : std::min<std::uint64_t>(limits_.max_leases, std::bit_ceil(need));
    shape.low_ticks = target < shape.wanted ? shape.low_ticks + 1 : 0;
    if (shape.low_ticks >= (others_wait ? 1 : limits_.idle_ticks)) {
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
    if (give_way || lease->idle_ticks >= limits_.idle_ticks) idle.push_back(lease.get());
  }
  for (Lease* lease : idle) drop(*lease, true);
}

// --- what waits

void Leases::unmet(std::vector<Unmet>& all) const {
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const Shape& shape = *shapes_[i];
    Unmet demand{static_cast<DemandIndex>(i), false, &shape.request, shape.where, shape.queue.size, shape.started};
    for (const Lease* lease : shape.leases) {
      if (!lease->blocked && lease->in_flight > 1) demand.waiting += lease->in_flight - 1;
      demand.progress += lease->finished;
    }
    if (shape.starved_ticks > 0 && shape.queue.front != nullptr) demand.space_bytes = space_for(*shape.queue.front);
    if (demand.waiting > 0) all.push_back(std::move(demand));
  }
}

std::string Leases::label_of(ShapeIndex index) const {
  const Shape& shape = *shapes_[index];
  if (shape.queue.front != nullptr) return labels_.label_of(*shape.queue.front);
  const Entry* behind = nullptr;  // in a ring, behind another
  objects_.table().for_each([&](const Entry& entry) {
    const bool pushed = entry.kind == Kind::task && entry.owned && entry.phase == Phase::pushed;
    if (pushed && entry.shape == index && (behind == nullptr || entry.position > behind->position)) behind = &entry;
  });
  return behind != nullptr ? labels_.label_of(*behind) : "a task";
}

Obstacle Leases::obstacle(const Entry& task) const {
  const bool behind = task.phase == Phase::pushed && task.lease != nullptr && task.lease->in_flight > 1;
  if (task.phase == Phase::pushed && !behind) return {labels_.label_of(task), "it runs", {}, 0};
  const bool starved = task.phase == Phase::queued && shapes_[task.shape]->starved_ticks > 0;
  return {labels_.label_of(task), "", task.shape, starved ? space_for(task) : 0};
}

std::string Leases::check_invariants() const {
  std::map<const Lease*, std::uint64_t> pushed;  // looked up, never walked
  objects_.table().for_each([&](const Entry& entry) {
    if (entry.phase == Phase::pushed && entry.kind == Kind::task) ++pushed[entry.lease];
  });
  for (const auto& [id, lease] : leases_) {
    const auto it = pushed.find(lease.get());
    if ((it == pushed.end() ? 0 : it->second) != lease->in_flight)
      return "OWN-4: tasks in flight differ from the table";
  }
  for (const auto& shape : shapes_) {
    std::uint64_t n = 0;
    for (const Entry* e = shape->queue.front; e != nullptr; e = e->next) {
      ++n;
      if (e->phase != Phase::queued) return "OWN-4: queued task in another phase";
    }
    if (n != shape->queue.size) return "OWN-4: queue length differs";
  }
  return {};
}

}  // namespace manta::owner
