#include "core/sched/worker_lifetimes.h"

#include <algorithm>

namespace manta::sched {

namespace {

constexpr std::uint32_t kMaxFailuresInARow = 3;

}  // namespace

void WorkerLifetimes::start(Outfit outfit, const std::vector<GpuShare>& shares) {
  const Worker& worker = pool_.add_starting(std::move(outfit));
  effects_.start_worker(worker.id, shares, worker.outfit.env);
}

bool WorkerLifetimes::make_space(std::size_t wanted) {
  if (pool_.size() < limits_.max_workers || pool_.dying() >= wanted) {
    return pool_.size() >= limits_.max_workers;
  }
  for (const auto& [order, id] : pool_.idle()) {
    if (Worker& worker = *pool_.find(id); may_end(worker)) {
      end(worker);
      return true;
    }
  }
  return false;
}

void WorkerLifetimes::set_idle(Worker& worker, Time now) {
  pool_.set_idle(worker, now);
  next_idle_check_ = std::min(next_idle_check_, now + limits_.idle_life);
}

void WorkerLifetimes::refill_warm(Time now) {
  while (pool_.plain() < limits_.warm_workers && may_start(now) && now >= warm_after_) {
    start({}, {});
  }
}

void WorkerLifetimes::started() {
  failures_.in_a_row = 0;
  failures_.last.clear();
  start_after_ = Time{0};
}

bool WorkerLifetimes::start_failed(const std::string& status, Time now) {
  failures_.last = status;
  warm_after_ = now + limits_.retry;
  if (++failures_.in_a_row < kMaxFailuresInARow) return false;
  start_after_ = now + limits_.retry;
  return true;
}

bool WorkerLifetimes::may_end(const Worker& worker) const {
  return worker.state == WorkerState::idle && !worker.keep && !demands_.submits(worker.id) &&
         !(submits_elsewhere_ && submits_elsewhere_(worker.id));
}

void WorkerLifetimes::end(Worker& worker) {
  pool_.set_dying(worker);
  effects_.kill_worker(worker.id);
}

void WorkerLifetimes::set_keep(Worker& worker, bool keep, Time now) {
  worker.keep = keep;
  if (!keep) next_idle_check_ = std::min(next_idle_check_, now);
}

void WorkerLifetimes::end_idle(Time now) {
  if (now < next_idle_check_) return;
  next_idle_check_ = kNever;
  std::vector<ClientId> expired;
  for (const auto& [order, id] : pool_.idle()) {
    const Time end = pool_.find(id)->idle_since + limits_.idle_life;
    if (end > now) {
      next_idle_check_ = end;
      break;
    }
    expired.push_back(id);
  }
  for (ClientId id : expired) {
    Worker& worker = *pool_.find(id);
    if (worker.outfit.plain() && pool_.plain() <= limits_.warm_workers) {
      continue;  // looked at again when another one becomes idle
    }
    if (may_end(worker)) {
      end(worker);
    } else {
      next_idle_check_ = std::min(next_idle_check_, now + limits_.idle_life);
    }
  }
}

Time WorkerLifetimes::next_tick() const {
  if (pool_.plain() < limits_.warm_workers && pool_.size() < limits_.max_workers) {
    return std::min(next_idle_check_, std::max(warm_after_, start_after_));
  }
  return next_idle_check_;
}

}  // namespace manta::sched
