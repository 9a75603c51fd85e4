#include "tests/core/sched/random_history.h"

#include <algorithm>

namespace manta::sched {

namespace {

constexpr Time kMs = std::chrono::milliseconds(1);

Amount amount(double value) { return Amount::from_double(value, "amount").value(); }

NodeSchedulerConfig random_config(std::mt19937_64& random) {
  const auto pick = [&](int from, int to) { return std::uniform_int_distribution<>(from, to)(random); };
  NodeSchedulerConfig config;
  config.total = {amount(pick(1, 6)),
                  amount(pick(0, 3)),
                  static_cast<std::uint64_t>(pick(0, 8)),
                  {{"license", amount(pick(1, 2))}}};
  config.first_client_id = 1000;
  config.max_workers = static_cast<std::uint32_t>(pick(1, 12));
  config.warm_workers = static_cast<std::uint32_t>(pick(0, 3));
  config.idle_worker_life = pick(10, 3000) * kMs;
  config.close_ring_grace = pick(10, 1000) * kMs;
  return config;
}

}  // namespace

RandomHistory::RandomHistory(std::uint64_t seed)
    : random_(seed), config_(random_config(random_)), scheduler_(config_, *this) {
  shapes_ = {{.cpus = amount(1)},
             {.cpus = amount(0.5)},
             {.cpus = amount(1), .gpus = amount(0.3)},
             {.gpus = amount(1)},
             {.cpus = amount(2), .gpus = amount(2)},
             {.cpus = amount(3)},
             {.cpus = amount(0.1), .memory_bytes = 3},
             {.cpus = amount(1), .named = {{"license", amount(1)}}},
             {},
             {.cpus = amount(1), .gpus = amount(0.7), .memory_bytes = 1},
             {.cpus = amount(1), .env = "A=1"},
             {.cpus = amount(0.5), .env = "A=2"}};
  mixed_ = random(2) == 0;
  if (mixed_) {  // else all have the same
    for (ResourceSet& shape : shapes_) shape.priority = static_cast<std::int8_t>(random(3) - 1);
  }
}

void RandomHistory::note(const char* what, std::uint64_t a, std::uint64_t b) {
  ++counts_[what];
  for (std::uint64_t part : {static_cast<std::uint64_t>(what[0]), a, b, static_cast<std::uint64_t>(now_.count())}) {
    hash_ = detail::mix64(hash_ ^ part) + 0x9e3779b97f4a7c15ULL;
  }
}

void RandomHistory::check(const std::string& event) {
  if (const std::string text = scheduler_.check_invariants(); !text.empty()) {
    broken(text + " (after " + event + ")");
  }
}

std::uint64_t RandomHistory::any_process() {
  if (processes_.empty() || random(20) == 0) {
    return static_cast<std::uint64_t>(random(1040));  // mostly the id of no process
  }
  return std::next(processes_.begin(), random(static_cast<int>(processes_.size())))->first;
}

std::string RandomHistory::run(int steps) {
  scheduler_.start(now_);
  for (int i = 0; i < steps && broken_.empty(); ++i) {
    step();
  }
  return broken_;
}

void RandomHistory::step() {
  const int drivers = static_cast<int>(
      std::count_if(processes_.begin(), processes_.end(), [](const auto& entry) { return !entry.second.worker; }));
  switch (random(16)) {
    case 0:
      if (drivers < 4) join();
      break;
    case 1:
      if (random(4) == 0) die(any_process());
      break;
    case 2:
      late_message();
      break;
    case 3:
      pass(random(200) * kMs);
      break;
    case 4:
      pass(random(3) * kMs);
      break;
    case 5:
    case 6:
    case 7:
    case 8:
      change_demand();
      break;
    case 9:
    case 10:
    case 11:
      return_some();
      break;
    default:
      change_worker();
      break;
  }
}

void RandomHistory::join() {
  const std::uint64_t driver = next_driver_++;
  processes_[driver] = {};
  scheduler_.driver_joined(ClientId{driver}, now_);
  check("a driver joined");
}

void RandomHistory::die(std::uint64_t client) {
  if (processes_.erase(client) > 0) {
    for (auto held = held_.begin(); held != held_.end();) {
      held = held->second.submitter == client ? held_.erase(held) : std::next(held);
    }
  }
  scheduler_.client_left(ClientId{client}, "died", now_);
  check("a death");
}

void RandomHistory::change_demand() {
  const std::uint64_t client = any_process();
  const auto shape = static_cast<ShapeIndex>(random(static_cast<int>(shapes_.size())));
  scheduler_.set_demand(ClientId{client}, shape, shapes_[shape], static_cast<std::uint32_t>(random(5)), now_);
  check("set_demand");
}

void RandomHistory::change_worker() {
  const std::uint64_t id = any_process();
  const auto process = processes_.find(id);
  if (process == processes_.end() || !process->second.worker) {
    return;
  }
  if (!process->second.started) {
    start(id, random(5) != 0);
  } else if (process->second.killed) {
    die(id);
  } else if (process->second.closing_for != 0) {
    close(id);
  } else {
    set_blocked(id, !process->second.blocked);
  }
}

void RandomHistory::start(std::uint64_t worker, bool works) {
  if (works) {
    processes_[worker].started = true;
    scheduler_.worker_started(ClientId{worker}, now_);
  } else {
    processes_.erase(worker);
    scheduler_.worker_failed(ClientId{worker}, "cannot", now_);
  }
  check("a start");
}

void RandomHistory::set_blocked(std::uint64_t worker, bool blocked) {
  processes_[worker].blocked = blocked;
  blocked ? scheduler_.blocked(ClientId{worker}, now_) : scheduler_.unblocked(ClientId{worker}, now_);
  check("blocking");
}

void RandomHistory::close(std::uint64_t worker) {
  Process& process = processes_[worker];
  const std::uint64_t submitter = std::exchange(process.closing_for, 0);
  process.lease = 0;
  scheduler_.ring_closed(ClientId{worker}, ClientId{submitter}, now_);
  check("ring_closed");
}

void RandomHistory::return_some() {
  if (!held_.empty()) {
    give_back(std::next(held_.begin(), random(static_cast<int>(held_.size())))->first);
  }
}

void RandomHistory::give_back(std::uint64_t lease) {
  const Held held = held_[lease];
  held_.erase(lease);
  processes_[held.worker].lease = 0;
  std::uint32_t& asked = asked_[{held.submitter, held.shape}];
  asked -= asked > 0 ? 1 : 0;
  past_leases_.push_back(lease);
  scheduler_.return_lease(ClientId{held.submitter}, LeaseId{lease}, now_);
  check("return_lease");
}

// Messages that are repeated, too late, or from the wrong process.
void RandomHistory::late_message() {
  const ClientId process_id{any_process()};
  switch (random(6)) {
    case 0:
      if (!past_leases_.empty()) {
        const std::uint64_t lease =
            past_leases_[static_cast<std::size_t>(random(static_cast<int>(past_leases_.size())))];
        scheduler_.return_lease(process_id, LeaseId{lease}, now_);
      }
      break;
    case 1:
      if (!held_.empty() && held_.begin()->second.submitter != process_id.value) {
        scheduler_.return_lease(process_id, LeaseId{held_.begin()->first}, now_);
      }
      break;
    case 2: {
      const auto process = processes_.find(process_id.value);
      if (process == processes_.end() || process->second.closing_for == 0) {
        scheduler_.ring_closed(process_id, ClientId{any_process()}, now_);
      }
      break;
    }
    case 3:
      if (!processes_.contains(process_id.value)) {
        scheduler_.client_left(process_id, "again", now_);
        scheduler_.worker_failed(process_id, "again", now_);
        scheduler_.worker_started(process_id, now_);
      }
      break;
    case 4:
      scheduler_.keep_alive(process_id, random(2) == 0, now_);
      break;
    default:
      scheduler_.tick(now_);
      break;
  }
  check("a late message");
}

void RandomHistory::pass(Time time) {
  const Time end = now_ + time;
  while (scheduler_.next_tick() <= end && broken_.empty()) {
    now_ = std::max(now_, scheduler_.next_tick());
    const Time next = scheduler_.tick(now_);
    check("a tick");
    if (next <= now_ || next != scheduler_.next_tick()) {
      broken("tick asks to be called at once again");
    }
  }
  now_ = end;
}

void RandomHistory::obey() {
  const auto workers = processes_;
  for (const auto& [id, process] : workers) {
    const auto now = processes_.find(id);
    if (now == processes_.end() || !process.worker) {
      continue;
    }
    if (!process.started) {
      start(id, true);
    } else if (process.killed) {
      die(id);
    } else if (process.closing_for != 0) {
      close(id);
    } else if (process.blocked) {
      set_blocked(id, false);
    }
  }
}

std::string RandomHistory::serve_everybody() {
  while (next_driver_ < 6) {
    join();
  }
  obey();
  std::set<std::uint64_t> expected;
  for (int id = 0; id < static_cast<int>(next_driver_) && broken_.empty(); ++id) {
    if (!processes_.contains(static_cast<std::uint64_t>(id))) {
      continue;
    }
    const auto shape = static_cast<ShapeIndex>(random(static_cast<int>(shapes_.size())));
    for (ShapeIndex other = 0; other < shapes_.size(); ++other) {
      scheduler_.set_demand(ClientId{static_cast<std::uint64_t>(id)}, other, shapes_[other],
                            other == shape ? static_cast<std::uint32_t>(1 + random(8)) : 0, now_);
      check("the last demands");
    }
    if (scheduler_.ledger().feasible(shapes_[shape])) {
      expected.insert(static_cast<std::uint64_t>(id));
    }
  }
  for (const auto& [id, process] : std::map(processes_)) {
    if (process.worker) {
      scheduler_.keep_alive(ClientId{id}, false, now_);
      for (ShapeIndex shape = 0; shape < shapes_.size(); ++shape) {
        scheduler_.set_demand(ClientId{id}, shape, shapes_[shape], 0, now_);
      }
    }
  }
  served_.clear();
  for (const auto& [lease, held] : held_) {
    served_.insert(held.submitter);
  }
  for (int i = 0; i < 5000 && broken_.empty(); ++i) {
    obey();
    for (const auto& [lease, held] : std::map(held_)) {
      // Streams of tasks: kept for ever, unless asked back or not wanted.
      const bool worker = processes_.contains(held.submitter) && processes_[held.submitter].worker;
      if (const auto asked = asked_.find({held.submitter, held.shape});
          worker || mixed_ || (asked != asked_.end() && asked->second > 0)) {
        if (mixed_) {  // or it would stand for ever before those of a lower priority
          scheduler_.set_demand(ClientId{held.submitter}, held.shape, shapes_[held.shape], 0, now_);
        }
        if (held_.contains(lease)) give_back(lease);
      }
    }
    pass(10 * kMs);
    if (std::includes(served_.begin(), served_.end(), expected.begin(), expected.end())) {
      return broken_;
    }
  }
  for (std::uint64_t id : expected) {
    if (!served_.contains(id) && broken_.empty()) {
      broken("SCHED-6: client " + std::to_string(id) + " starves: " + scheduler_.shortages().why_waiting(ClientId{id}));
    }
  }
  return broken_;
}

std::string RandomHistory::wind_down() {
  for (std::uint64_t id = 0; id < next_driver_; ++id) {
    for (ShapeIndex shape = 0; shape < shapes_.size(); ++shape) {
      scheduler_.set_demand(ClientId{id}, shape, shapes_[shape], 0, now_);
      check("a withdrawal");
    }
  }
  for (int i = 0; i < 3; ++i) {
    obey();
    while (!held_.empty() && broken_.empty()) {
      give_back(held_.begin()->first);
    }
  }
  if (scheduler_.ledger().available() != scheduler_.ledger().total()) {
    broken("SCHED-1: at the end only " + scheduler_.ledger().available().to_string() + " is left of " +
           scheduler_.ledger().total().to_string());
  }
  for (int i = 0; i < 4; ++i) {
    pass(config_.idle_worker_life + config_.start_retry);
    obey();
  }
  const auto idle =
      std::count_if(processes_.begin(), processes_.end(), [](const auto& entry) { return entry.second.worker; });
  if (idle != std::min(config_.warm_workers, config_.max_workers)) {
    broken(std::to_string(idle) + " workers are left instead of the warm ones");
  }
  if (scheduler_.next_tick() != kNever) {
    broken("the scheduler asks for a tick although nothing goes on");
  }
  return broken_;
}

// --- effects

void RandomHistory::start_worker(ClientId worker, const std::vector<GpuShare>& gpus, const std::string& env) {
  note("start", worker.value);
  Process& process = processes_[worker.value];
  process.worker = true;
  process.started = false;
  for (const GpuShare& gpu : gpus) {
    process.gpus.insert(gpu.index);
  }
  process.env = env;
  const auto workers =
      std::count_if(processes_.begin(), processes_.end(), [](const auto& entry) { return entry.second.worker; });
  if (workers > config_.max_workers) {
    broken("SCHED-7: too many workers");
  }
}

void RandomHistory::kill_worker(ClientId worker) {
  note("kill", worker.value);
  Process& process = processes_[worker.value];
  if (process.killed || (process.lease != 0 && process.closing_for == 0)) {
    broken("killed twice, or while leased");
  }
  process.killed = true;
}

void RandomHistory::grant(ClientId submitter, const Grant& grant) {
  note("grant", submitter.value, grant.lease.value);
  served_.insert(submitter.value);
  Process& worker = processes_[grant.worker.value];
  if (!processes_.contains(submitter.value) || !worker.worker || !worker.started || worker.killed) {
    broken("a grant to or of a dead process");
  }
  if (worker.lease != 0) {
    broken("SCHED-2: worker " + std::to_string(grant.worker.value) + " is leased twice");
  }
  std::set<std::uint32_t> gpus;
  for (const GpuShare& gpu : grant.gpus) {
    gpus.insert(gpu.index);
  }
  if (gpus != worker.gpus) {
    broken("SCHED-3: other GPUs than the process was started with");
  }
  if (worker.env != shapes_[grant.shape].env) {
    broken("SCHED-3: another environment than the process was started with");
  }
  worker.lease = grant.lease.value;
  held_[grant.lease.value] = {submitter.value, grant.worker.value, grant.shape};
}

void RandomHistory::lease_ended(ClientId submitter, LeaseId lease, LeaseEnd, const std::string&) {
  note("ended", submitter.value, lease.value);
  if (held_.erase(lease.value) == 0) {
    broken("the end of a lease that is not held");
  }
  past_leases_.push_back(lease.value);
}

void RandomHistory::infeasible(ClientId submitter, ShapeIndex shape, const std::string& why) {
  note("infeasible", submitter.value, shape);
  if (why.empty()) {
    broken("infeasible without a reason");
  }
}

void RandomHistory::ask_back(ClientId submitter, ShapeIndex shape, std::uint32_t count) {
  note("ask", submitter.value, shape);
  const auto held = std::count_if(held_.begin(), held_.end(), [&](const auto& entry) {
    return entry.second.submitter == submitter.value && entry.second.shape == shape;
  });
  if (count == 0 || count > held) {
    broken("more is asked back than is held");
  }
  asked_[{submitter.value, shape}] += count;
}

void RandomHistory::close_ring(ClientId worker, ClientId submitter) {
  note("close", worker.value, submitter.value);
  processes_[worker.value].closing_for = submitter.value;
}

}  // namespace manta::sched
