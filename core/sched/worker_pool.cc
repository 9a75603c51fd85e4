#include "core/sched/worker_pool.h"

namespace manta::sched {

Outfit outfit_of(const Allocation& allocation) {
  Outfit outfit{{}, allocation.taken.env, allocation.taken.reservation};
  for (const GpuShare& share : allocation.gpus) {
    outfit.gpus.push_back(share.index);
  }
  return outfit;
}

Worker& WorkerPool::add_starting(Outfit outfit) {
  Group& group = groups_[outfit];
  ++group.starting;
  ++group.usable;
  const ClientId id{next_id_++};
  Worker& worker = workers_[id];
  worker.id = id;
  reservations_ += outfit.reservation ? 1 : 0;
  worker.outfit = std::move(outfit);
  return worker;
}

Worker* WorkerPool::find(ClientId id) {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

const Worker* WorkerPool::find(ClientId id) const {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second;
}

void WorkerPool::leave_state(Worker& worker) {
  Group& group = groups_[worker.outfit];
  switch (worker.state) {
    case WorkerState::starting:
      --group.starting;
      break;
    case WorkerState::idle:
      group.idle.erase({worker.idle_order, worker.id});
      all_idle_.erase({worker.idle_order, worker.id});
      break;
    case WorkerState::leased:
      break;
    case WorkerState::dying:
      --dying_;
      break;
  }
}

void WorkerPool::set_idle(Worker& worker, Time now) {
  leave_state(worker);
  worker.state = WorkerState::idle;
  worker.lease = {};
  worker.idle_since = now;
  worker.idle_order = ++next_order_;
  groups_[worker.outfit].idle.emplace(worker.idle_order, worker.id);
  all_idle_.emplace(worker.idle_order, worker.id);
}

void WorkerPool::set_leased(Worker& worker, LeaseId lease) {
  leave_state(worker);
  worker.state = WorkerState::leased;
  worker.lease = lease;
  worker.used = true;
}

void WorkerPool::set_dying(Worker& worker) {
  leave_state(worker);
  worker.state = WorkerState::dying;
  ++dying_;
  --groups_[worker.outfit].usable;
}

void WorkerPool::erase(Worker& worker) {
  leave_state(worker);
  const auto group = groups_.find(worker.outfit);
  if (worker.state != WorkerState::dying) {
    --group->second.usable;
  }
  if (group->second.usable == 0) {
    groups_.erase(group);  // outfits come and go; dying members need no group
  }
  reservations_ -= worker.outfit.reservation ? 1 : 0;
  workers_.erase(worker.id);
}

const Worker* WorkerPool::newest_idle(const Outfit& outfit, bool unused) const {
  const auto group = groups_.find(outfit);
  if (group == groups_.end()) {
    return nullptr;
  }
  for (auto idle = group->second.idle.rbegin(); idle != group->second.idle.rend(); ++idle) {
    const Worker* worker = find(idle->second);
    if (!unused || !worker->used) {
      return worker;
    }
  }
  return nullptr;
}

Worker* WorkerPool::newest_idle(const Outfit& outfit, bool unused) {
  return const_cast<Worker*>(std::as_const(*this).newest_idle(outfit, unused));
}

std::size_t WorkerPool::starting(const Outfit& outfit) const {
  const auto group = groups_.find(outfit);
  return group == groups_.end() ? 0 : group->second.starting;
}

std::size_t WorkerPool::usable(const Outfit& outfit) const {
  const auto group = groups_.find(outfit);
  return group == groups_.end() ? 0 : group->second.usable;
}

}  // namespace manta::sched
