#include "core/sched/worker_pool.h"

namespace manta::sched {

GpuSet gpu_set_of(const Allocation& allocation) {
  GpuSet gpus;
  for (const GpuShare& share : allocation.gpus) {
    gpus.push_back(share.index);
  }
  return gpus;
}

Worker& WorkerPool::add_starting(GpuSet gpus) {
  Group& group = groups_[gpus];
  ++group.starting;
  ++group.usable;
  const ClientId id{next_id_++};
  Worker& worker = workers_[id];
  worker.id = id;
  worker.gpus = std::move(gpus);
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
  Group& group = groups_[worker.gpus];
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
  groups_[worker.gpus].idle.emplace(worker.idle_order, worker.id);
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
  --groups_[worker.gpus].usable;
}

void WorkerPool::erase(Worker& worker) {
  leave_state(worker);
  const auto group = groups_.find(worker.gpus);
  if (worker.state != WorkerState::dying) {
    --group->second.usable;
  }
  if (group->second.usable == 0) {
    groups_.erase(group);  // GPU sets come and go; dying members need no group
  }
  workers_.erase(worker.id);
}

const Worker* WorkerPool::newest_idle(const GpuSet& gpus, bool unused) const {
  const auto group = groups_.find(gpus);
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

Worker* WorkerPool::newest_idle(const GpuSet& gpus, bool unused) {
  return const_cast<Worker*>(std::as_const(*this).newest_idle(gpus, unused));
}

std::size_t WorkerPool::starting(const GpuSet& gpus) const {
  const auto group = groups_.find(gpus);
  return group == groups_.end() ? 0 : group->second.starting;
}

std::size_t WorkerPool::usable(const GpuSet& gpus) const {
  const auto group = groups_.find(gpus);
  return group == groups_.end() ? 0 : group->second.usable;
}

}  // namespace manta::sched
