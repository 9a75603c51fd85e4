#include "core/worker/local_workers.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/worker/local_task.h"

namespace manta::worker {

namespace {

using client::OwnerLock;
using client::ProcessState;

// Tasks that submit tasks lie on one stack. Beyond so many the next one waits until one below has ended, or is waited
// for.
constexpr int kDeepest = 256;
thread_local int depth = 0;
constexpr std::chrono::milliseconds kGrantTakes{10};
constexpr std::chrono::seconds kStuckFor{2};
constexpr std::chrono::milliseconds kLook{1};  // while coroutines wait for times

bool is_stream(const owner::Entry* task) { return task != nullptr && task->extra && task->extra->stream; }

// Actors that are never destroyed, where leak checkers find them.
std::vector<std::shared_ptr<LocalWorker>>& kept() {
  static auto& workers = *new std::vector<std::shared_ptr<LocalWorker>>;
  return workers;
}

}  // namespace

void LocalWorkers::attach(client::Client& client) {
  client_ = &client;
  arguments_.attach(client);
  suspended_.attach(client);
  client.run_locally(*this);
}

bool LocalWorkers::receive(ClientId from, net::PeerPacket& packet) {
  if (const auto* stop = std::get_if<net::StopTask>(&packet)) {
    client_->stopping().stop(from, *stop, *this);
  } else if (const auto* credit = std::get_if<owner::StreamCredit>(&packet)) {
    streams_.credit(from, *credit);
  } else if (const auto* end = std::get_if<owner::StreamStop>(&packet)) {
    streams_.stop(from, *end);
  } else {
    return false;
  }
  return true;
}

void LocalWorkers::connection_ended() { streams_.reader_died(client_->self()); }

bool LocalWorkers::wait_for_generators(Clock::time_point deadline) {
  MutexLock lock(threads_mutex_);
  while (generators_ > 0) {
    if (!thread_ended_.wait_until(threads_mutex_, deadline)) return generators_ == 0;
  }
  return true;
}

bool LocalWorkers::finish(Clock::time_point deadline) {
  if (!wait_for_generators(deadline)) return false;
  streams_.end();
  const OwnerLock guard(client_->state());
  for (auto& [id, worker] : workers_) {
    if (worker->has_actor) kept().push_back(std::move(worker));
  }
  workers_.clear();
  client_->state().local = nullptr;
  return true;
}

// --- workers

owner::WorkerLink& LocalWorkers::granted(const net::Granted& granted) {
  auto& worker = workers_[granted.worker];
  worker = std::make_shared<LocalWorker>(granted, queue_, arguments_, streams_, suspended_, *client_);
  return worker->link;
}

owner::WorkerLink* LocalWorkers::link_to(ClientId worker) {
  const auto it = workers_.find(worker);
  return it == workers_.end() ? nullptr : &it->second->link;
}

void LocalWorkers::forget(ClientId worker) {
  const auto it = workers_.find(worker);
  if (it == workers_.end()) return;
  it->second->link.lose();
  if (it->second->has_actor) kept().push_back(it->second);
  workers_.erase(it);
}

// --- what runs next

bool LocalWorkers::may_run(const LocalWorker& worker) const {
  if (!worker.has_space()) return false;
  return !worker.coroutines || coroutines_deep_ == 0 || coroutines_in_ == std::this_thread::get_id();
}

void LocalWorkers::enter_coroutines() {
  coroutines_in_ = std::this_thread::get_id();
  ++coroutines_deep_;
}

bool LocalWorkers::take(Next& next) {
  const auto item =
      std::find_if(queue_.begin(), queue_.end(),
                   [&](const LocalItem& each) MANTA_REQUIRES(client::owner_mutex) { return may_run(*each.to); });
  if (item == queue_.end()) return false;
  next = {item->to->shared_from_this(), item->task};
  queue_.erase(item);
  ++next.worker->stacked;
  if (next.task != nullptr) next.worker->link.started(*next.task);
  return true;
}

bool LocalWorkers::run_next() {
  Next next;
  bool found = false;
  {
    const OwnerLock guard(client_->state());
    found = take(next);
  }
  if (!found) return resume();
  is_stream(next.task) ? begin_generator(next) : execute(next);
  return true;
}

void LocalWorkers::execute(const Next& next) {
  ProcessState& state = client_->state();
  client::RunningTask place(client::RunningTask::Place::stack);
  bool coroutines = false;
  std::unique_ptr<LocalTask> task;
  {
    const OwnerLock guard(state);
    task = std::make_unique<LocalTask>(*client_, next.worker, next.task);
    client_->stopping().enter(place);
    coroutines = next.worker->coroutines;
    if (coroutines) enter_coroutines();
  }
  struct Leaving {  // also where the function ends its thread
    ~Leaving() {
      --depth;
      const OwnerLock guard(state);
      if (coroutines) --of.coroutines_deep_;
      of.client_->stopping().leave(place);
      --worker.stacked;
    }
    LocalWorkers& of;
    ProcessState& state;
    LocalWorker& worker;
    client::RunningTask& place;
    const bool coroutines;
  };
  ++depth;
  const Leaving leaving{*this, state, *next.worker, place, coroutines};
  next.worker->host.execute(*task, place);
  place.idle();
}

// LOCAL-3. What waits behind it runs in its thread.
void LocalWorkers::begin_generator(const Next& next) {
  {
    const MutexLock lock(threads_mutex_);
    ++generators_;
  }
  std::thread([this, next] {
    execute(next);
    while (run_next()) continue;
    const MutexLock lock(threads_mutex_);
    --generators_;
    thread_ended_.notify_all();
  }).detach();
}

bool LocalWorkers::resume() {
  if (suspended_.count() == 0) return false;
  if (client_->watchers().awaits().any()) (void)client_->watchers().drain_awaited();
  {
    const OwnerLock guard(client_->state());
    if (coroutines_deep_ > 0 && coroutines_in_ != std::this_thread::get_id()) return false;
    enter_coroutines();
  }
  const bool ran = suspended_.run();
  const OwnerLock guard(client_->state());
  --coroutines_deep_;
  return ran;
}

LocalWorkers::Clock::time_point LocalWorkers::look_again() {
  const Clock::time_point now = Clock::now();
  const OwnerLock guard(client_->state());
  look_for_a_deadlock(now);
  if (suspended_.count() != 0) return now + kLook;
  return stuck_.task != nullptr && !stuck_.said ? stuck_.since + kStuckFor : Clock::time_point::max();
}

void LocalWorkers::look_for_a_deadlock(Clock::time_point now) {
  owner::Entry* const first = queue_.empty() ? nullptr : queue_.front().task;
  if (first != stuck_.task) stuck_ = {first, now};
  if (first == nullptr || stuck_.said || now - stuck_.since < kStuckFor) return;
  stuck_.said = true;
  log::warn(client_->state().owner->obstacle(*first).label,
            " waits: its actor is busy, and MANTA_LOCAL=1 runs calls in the thread that makes them; where this thread "
            "is in a method of that actor, neither can go on: raise ActorOptions::max_concurrency, or do not wait for "
            "a call of an actor in its own method");
}

// --- submitting

// Whether the node is about to grant its worker.
bool LocalWorkers::is_on_its_way(const owner::Entry& entry) {
  if (client_->state().node_gone) return false;
  if (entry.kind == owner::Kind::task) return entry.phase == owner::Phase::queued;
  const bool waits = entry.phase == owner::Phase::queued || entry.phase == owner::Phase::actor;
  if (!waits) return false;
  const owner::Actor& actor = *entry.actor;
  return actor.state == owner::Actor::State::pending && actor.demanded;
}

void LocalWorkers::run_ready() {
  if (depth >= kDeepest) return;
  while (run_next()) continue;
}

void LocalWorkers::submitted(owner::Entry& entry) {
  if (depth >= kDeepest) return;
  net::Doorbell& bell = client_->state().slot.replies;
  for (;;) {
    run_ready();
    const std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
    {
      const OwnerLock guard(client_->state());
      if (!is_on_its_way(entry)) break;
    }
    bell.sleep(seen, Clock::now() + kGrantTakes);
  }
  run_ready();
}

}  // namespace manta::worker
