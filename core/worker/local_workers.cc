#include "core/worker/local_workers.h"

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <utility>

#include "core/base/log.h"
#include "core/base/stack.h"

namespace manta::worker {

namespace {

using client::OwnerLock;
using client::ProcessState;

// Tasks that submit tasks lie on one stack. Where more than one part of so many is used, the next one waits until one
// below has ended, or waits for it.
constexpr std::ptrdiff_t kUsedOfStack = 2;
bool stack_has_space() { return stack_used_at_most_one_of(kUsedOfStack); }
constexpr std::chrono::milliseconds kGrantTakes{10};
constexpr std::chrono::seconds kStuckFor{2};
constexpr std::chrono::milliseconds kLook{1};  // while coroutines wait for times

// What this thread drops now may be the last reference to more: its loop below runs that.
thread_local bool drops_a_task = false;

// Actors that are never destroyed, where leak checkers find them.
std::vector<std::shared_ptr<LocalWorker>>& kept() {
  static auto& workers = *new std::vector<std::shared_ptr<LocalWorker>>;
  return workers;
}

LocalWorker& worker_of(IncomingTask& task) { return static_cast<LocalTask&>(task).worker(); }

}  // namespace

void LocalWorkers::attach(client::Client& client) {
  client_ = &client;
  arguments_.attach(client);
  suspended_.attach(client);
  client.run_locally(this);
}

bool LocalWorkers::receive(ClientId from, net::PeerPacket& packet) {
  const auto* stop = std::get_if<net::StopTask>(&packet);
  if (stop == nullptr) return streams_.receive(from, packet);
  client_->stopping().stop(from, *stop, *this);
  return true;
}

void LocalWorkers::suspended_stopped() {
  suspended_.stopped();
  client_->slot().replies.wake();
}

void LocalWorkers::connection_ended() { streams_.reader_died(client_->self()); }

bool LocalWorkers::finish(Clock::time_point deadline) {
  {
    MutexLock lock(threads_mutex_);
    while (running_ > 0) {
      if (!task_ended_.wait_until(threads_mutex_, deadline) && running_ > 0) return false;
    }
  }
  suspended_.clear(nullptr);
  streams_.end();
  const OwnerLock guard(client_->state());
  for (auto& [id, worker] : workers_) {
    if (worker->has_actor) kept().push_back(std::move(worker));
  }
  workers_.clear();
  finished_ = true;
  client_->run_locally(nullptr);
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

LocalWorkers::Workers::iterator LocalWorkers::find(LeaseId lease) {
  return std::find_if(workers_.begin(), workers_.end(),
                      [&](const auto& worker) { return worker.second->granted.lease == lease; });
}

void LocalWorkers::drop(Workers::iterator worker) {
  worker->second->link.clear();
  if (worker->second->has_actor) kept().push_back(worker->second);
  if (worker->second->coroutines) dead_.push_back(worker->second);
  workers_.erase(worker);
}

void LocalWorkers::lease_returned(LeaseId lease) {
  const auto it = find(lease);
  if (it != workers_.end()) drop(it);
}

// LOCAL-4.
void LocalWorkers::lease_ended(LeaseId lease, const std::string& status) {
  const auto it = find(lease);
  if (it == workers_.end()) return;
  LocalWorker& worker = *it->second;
  worker.link.lose();
  worker.ended = status;
  if (worker.stacked == 0) left(worker);
}

// Nothing runs there now.
void LocalWorkers::left(LocalWorker& worker) {
  if (!worker.ended || worker.stacked > 0 || begins_none_) return;
  const std::shared_ptr<LocalWorker> stays = worker.shared_from_this();
  client_->state().owner->lease_ended(worker.granted.lease, *worker.ended);
  const auto it = workers_.find(worker.granted.worker);
  if (it != workers_.end()) drop(it);
}

void LocalWorkers::clear() {
  begins_none_ = true;
  queue_.clear();
  for (auto& [id, worker] : workers_) worker->link.clear();
}

// --- what runs next

bool LocalWorkers::may_run(const LocalItem& item) const {
  if (!item.to->has_space()) return false;
  if (!item.to->coroutines || coroutines_deep_ == 0) return true;
  const bool stream = item.task != nullptr && item.task->extra && item.task->extra->stream;
  return coroutines_in_ == std::this_thread::get_id() && !stream;  // that goes to another thread
}

std::unique_ptr<LocalWorkers::Running> LocalWorkers::take() {
  if (begins_none_) return nullptr;
  const auto item =
      std::find_if(queue_.begin(), queue_.end(),
                   [&](const LocalItem& each) MANTA_REQUIRES(client::owner_mutex) { return may_run(each); });
  if (item == queue_.end()) return nullptr;
  auto taken = std::make_unique<Running>();
  owner::Entry* const entry = item->task;
  taken->worker = item->to->shared_from_this();
  queue_.erase(item);
  taken->task = std::make_unique<LocalTask>(*client_, taken->worker, entry);
  taken->stream = entry != nullptr && entry->extra && entry->extra->stream;
  ++taken->worker->stacked;
  if (entry != nullptr) taken->worker->link.started(*entry);
  taken->place.begin(taken->task->head().id, client_->self());
  client_->stopping().enter(taken->place);
  taken->coroutines = taken->worker->coroutines;
  if (taken->coroutines) {
    coroutines_in_ = std::this_thread::get_id();
    ++coroutines_deep_;
  }
  const MutexLock lock(threads_mutex_);
  ++running_;
  return taken;
}

bool LocalWorkers::run_next() {
  if (finished_ || client::serves_client()) return false;
  std::unique_ptr<Running> next;
  {
    const OwnerLock guard(client_->state());
    if (begins_none_) return false;
    next = take();
  }
  if (next == nullptr) return resume();
  next->stream ? begin_generator(std::move(next)) : execute(std::move(next));
  return true;
}

// The end of what has been taken, also where the function ends its thread.
struct LocalWorkers::Leaving {
  ~Leaving() {
    {
      const OwnerLock guard(of.client_->state());
      of.client_->stopping().leave(what->place);
      if (what->coroutines) --of.coroutines_deep_;
      --what->worker->stacked;
      of.left(*what->worker);
      if (!of.queue_.empty()) of.client_->slot().replies.wake();  // for another thread, if this one stops here
    }
    const bool outer = std::exchange(drops_a_task, true);
    what.reset();
    drops_a_task = outer;
    const MutexLock lock(of.threads_mutex_);
    if (--of.running_ == 0) of.task_ended_.notify_all();
  }
  LocalWorkers& of;
  std::unique_ptr<Running> what;
};

void LocalWorkers::execute(std::unique_ptr<Running> running) {
  const Leaving leaving{*this, std::move(running)};
  leaving.what->worker->host.execute(*leaving.what->task, leaving.what->place);
  leaving.what->place.idle();
}

// LOCAL-3. What waits behind it runs in its thread.
void LocalWorkers::begin_generator(std::unique_ptr<Running> running) {
  Running& begun = *running;
  try {
    std::thread([this, &begun] {
      std::unique_ptr<Running> mine(&begun);
      if (mine->coroutines) {
        const OwnerLock guard(client_->state());
        coroutines_in_ = std::this_thread::get_id();
      }
      execute(std::move(mine));
      while (run_next()) continue;
    }).detach();
    (void)running.release();
  } catch (const std::system_error& error) {
    const Leaving leaving{*this, std::move(running)};
    Ended ended;
    ended.error = Error(ErrorCode::exhausted, std::string("no thread for a generator: ") + error.what());
    leaving.what->task->reply(ended, {});
  }
}

bool LocalWorkers::resume() {
  if (suspended_.count() == 0) return false;
  if (client_->watchers().awaits().any()) (void)client_->watchers().drain_awaited();
  std::vector<std::shared_ptr<LocalWorker>> dead;
  {
    const OwnerLock guard(client_->state());
    if (coroutines_deep_ > 0 && coroutines_in_ != std::this_thread::get_id()) return false;
    coroutines_in_ = std::this_thread::get_id();
    ++coroutines_deep_;
    dead.swap(dead_);
  }
  struct Leaves {
    ~Leaves() {
      const OwnerLock guard(of.client_->state());
      --of.coroutines_deep_;
      if (!of.queue_.empty()) of.client_->slot().replies.wake();
    }
    LocalWorkers& of;
  };
  const Leaves leaves{*this};
  for (const auto& worker : dead) suspended_.clear(&worker->host.actor().instance());
  return suspended_.run();
}

// LOCAL-2.
bool LocalWorkers::resumes(IncomingTask& task, const client::TaskContext&) {
  const OwnerLock guard(client_->state());
  LocalWorker& worker = worker_of(task);
  if (worker.stacked > 0) return false;
  ++worker.stacked;
  return true;
}

void LocalWorkers::paused(IncomingTask& task) {
  const OwnerLock guard(client_->state());
  --worker_of(task).stacked;
  left(worker_of(task));
}

LocalWorkers::Clock::time_point LocalWorkers::look_again() {
  if (finished_) return Clock::time_point::max();
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
  if (begins_none_) return false;
  if (entry.kind == owner::Kind::task) return entry.phase == owner::Phase::queued;
  const bool waits = entry.phase == owner::Phase::queued || entry.phase == owner::Phase::actor;
  if (!waits) return false;
  const owner::Actor& actor = *entry.actor;
  return actor.state == owner::Actor::State::pending && actor.demanded;
}

void LocalWorkers::run_ready() {
  if (drops_a_task || !stack_has_space()) return;
  while (run_next()) continue;
}

void LocalWorkers::submitted(owner::Entry& entry) {
  if (finished_ || client::serves_client() || !stack_has_space()) return;
  net::Doorbell& bell = client_->slot().replies;
  for (;;) {
    const std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
    run_ready();
    {
      const OwnerLock guard(client_->state());
      if (!is_on_its_way(entry)) break;
    }
    bell.sleep(seen, Clock::now() + kGrantTakes);
  }
  run_ready();
}

}  // namespace manta::worker
