// Waiting for results: drain, spin, run what is waited for, sleep.
#include <algorithm>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "core/client/client.h"
#include "core/client/run_task.h"
#include "core/net/spin.h"

namespace manta::client {

namespace {

constexpr std::chrono::milliseconds kExplained{10};  // a deadline after a shorter wait says nothing of the reason
thread_local bool last_wait_was_long = false;
thread_local net::Spin spin{true};  // the submitter of a pair moves: a worker may have been put on its CPU

constexpr std::chrono::microseconds kShownInTimeline{20};  // shorter waits are not in it

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A task that runs on top of the one that waits for it has almost as much stack as in a process of its own.
constexpr std::ptrdiff_t kUsedOfStack = 16;  // at most one part of so many

// Whether this thread's stack has space for another task on top of the one that waits.
bool stack_has_space() {
  struct Bounds {
    const char* low = nullptr;
    std::size_t size = 0;
    Bounds() {
      pthread_attr_t attributes;
      void* address = nullptr;
      if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
      ::pthread_attr_getstack(&attributes, &address, &size);
      ::pthread_attr_destroy(&attributes);
      low = static_cast<const char*>(address);
    }
  };
  thread_local const Bounds bounds;
  // Not a local's address: AddressSanitizer may keep those on a stack of its own.
  const auto* here = static_cast<const char*>(__builtin_frame_address(0));
  const auto size = static_cast<std::ptrdiff_t>(bounds.size);
  return bounds.low != nullptr && bounds.low + size - here <= size / kUsedOfStack;
}

}  // namespace

void Client::activate(RingLink& link) {
  if (link.active) return;
  link.active = true;
  active_.push_back(&link);
}

bool Client::drain() {
  bool progress = false;
  net::Doorbell& bell = slot().replies;
  if (bell.ready.load(std::memory_order_relaxed) != 0) {
    for (std::uint64_t bits = bell.take(); bits != 0; bits &= bits - 1) {
      for (RingLink* link : groups_[static_cast<std::size_t>(__builtin_ctzll(bits))]) activate(*link);
    }
  }
  for (std::size_t i = 0; i < active_.size(); ++i) {  // grows while results cause pushes
    RingLink& link = *active_[i];
    owner::Outcome outcome;
    while (owner::Entry* entry = link.pop_finished(outcome)) {
      owner_->finished(*entry, std::move(outcome));
      outcome = {};
      progress = true;
    }
    if (!link.lease) continue;
    const owner::Lease* lease = owner_->leases().find(link.lease);
    if (lease != nullptr && lease->blocked != link.worker_blocked()) {
      owner_->leases().set_blocked(link.lease, link.worker_blocked());
    }
  }
  return progress;
}

// CLIENT-2. False: a result is there already.
bool Client::prepare_sleep() {
  bool quiet = true;
  std::erase_if(active_, [&](RingLink* link) MANTA_REQUIRES(mutex_) {
    if (!quiet || !link->stop_looking()) {
      quiet = false;
      return false;
    }
    // Its flag may have changed since the last look; from now on the worker rings.
    const owner::Lease* lease = link->lease ? owner_->leases().find(link->lease) : nullptr;
    if (lease != nullptr && lease->blocked != link->worker_blocked()) {
      quiet = false;
      return false;
    }
    link->active = false;
    return true;
  });
  return quiet;
}

// Whether a worker that this process waits for has this thread's CPU as its own, and so cannot run while it spins.
bool Client::waits_for_this_cpu() {
  const std::uint32_t here = net::this_cpu();
  slot().replies.look_from(here);
  return std::any_of(active_.begin(), active_.end(), [&](RingLink* link) { return link->waits_for_cpu(here); });
}

// Polls for as long as results keep coming, spin_ns after the last. Done: true.
template <class Predicate>
bool Client::poll(Predicate done, detail::Deadline deadline) {
  const auto spin_for = std::chrono::nanoseconds(welcome_.spin_ns);
  Clock::time_point last = Clock::now();
  spin.begin(last, spin_for);
  bool progress = false;
  for (std::uint32_t n = 0;; ++n) {
    bool shares_cpu = false;
    {
      const MutexLock guard(mutex_);
      progress = drain() || progress;
      if (!progress) shares_cpu = waits_for_this_cpu();
    }
    if (done()) return true;
    if (shares_cpu) spin.give_way();
    if ((n & 7) == 7 || spin_for.count() == 0) {
      const auto now = Clock::now();
      if (progress) last = now, n = 0;
      progress = false;
      if (spin.over(now - last) || now >= deadline) return false;
      if (n > 64) spin.perhaps_give_way();  // the worker may be waiting for this very processor
    }
    pause();
  }
}

template <class Predicate>
bool Client::wait_until(Predicate done, detail::Deadline deadline) {
  const Clock::time_point start = Clock::now();
  net::Doorbell& bell = slot().replies;
  waiters_.fetch_add(1, std::memory_order_relaxed);
  const TaskContext* task = current_task();
  const bool in_worker = hooks_ != nullptr;  // any thread of it: a task may have started this one
  const auto over = [&] { return done() || (task != nullptr && task->stopped()); };
  bool blocked = false;
  std::uint64_t wait = 0;
  bool result = false;
  for (;;) {
    result = poll(over, deadline);
    const auto now = Clock::now();
    if (result || now >= deadline) break;
    const bool may_block = in_worker && !blocked;
    if (may_block && now - start >= kBlockedAfter) {
      blocked = true;
      wait = hooks_->wait_begins();  // CLIENT-4
    }
    std::uint32_t seen = 0;
    {
      const MutexLock guard(mutex_);
      drain();
      if (over()) continue;
      seen = bell.rings.load(std::memory_order_seq_cst);
      if (!prepare_sleep()) continue;
    }
    bell.sleep(seen, may_block && !blocked ? std::min<Clock::time_point>(deadline, start + kBlockedAfter) : deadline);
  }
  last_wait_was_long = !result && Clock::now() - start >= kExplained;
  // CLIENT-2: other threads must now watch what this one polled. `sleepers` does not tell: a thread may be about to
  // sleep and have armed the links before this thread disarmed them.
  if (waiters_.fetch_sub(1, std::memory_order_relaxed) > 1) bell.wake();
  if (blocked) hooks_->wait_ends(wait);
  if (Timeline* timeline = Timeline::current(); timeline != nullptr && Clock::now() - start >= kShownInTimeline) {
    timeline->did("wait", start);
  }
  if (result && !done()) throw Error(ErrorCode::cancelled, "the task that waits here has been cancelled");
  return result;
}

bool Client::wait_for(const std::function<bool()>& done, detail::Deadline deadline) {
  return wait_until(done, deadline);
}

bool Client::wait_resolved(owner::Entry& entry, detail::Deadline deadline) {
  const auto done = [&] { return entry.resolved.load(std::memory_order_acquire); };
  {
    const MutexLock guard(mutex_);
    drain();
    if (done()) {
      if (waiters_.load(std::memory_order_relaxed) > 0) slot().replies.wake();  // CLIENT-2
      return true;
    }
    entry.watched = true;
    owner_->tasks().want(entry);
  }
  if (current_task() != nullptr && hooks_ != nullptr && deadline == detail::Deadline::max()) run_here(entry);
  return wait_until(done, deadline);
}

bool Client::waited_long() { return std::exchange(last_wait_was_long, false); }

std::string Client::why_waits(const owner::Entry& entry) {
  owner::Obstacle obstacle;
  net::WhyWaits question;
  {
    const MutexLock guard(mutex_);
    drain();
    obstacle = owner_->obstacle(entry);
    if (obstacle.demand) question.where = owner_->where_of(*obstacle.demand);
    if (obstacle.space_bytes > 0) question.not_spilled = not_spilled();
  }
  if (obstacle.demand) {
    question.shape = *obstacle.demand;
    question.label = obstacle.label;
    question.space_bytes = obstacle.space_bytes;
    if (std::string text = stalls_.why(question); !text.empty()) return text;
    return obstacle.label + " waits for a worker";
  }
  if (obstacle.what.empty()) return {};
  return obstacle.label.empty() ? obstacle.what : obstacle.label + ": " + obstacle.what;
}

std::size_t Client::wait_any(std::span<detail::EntryHead* const> entries, std::size_t count,
                             detail::Deadline deadline) {
  Completions completions;
  add_completions(completions, entries);
  try {
    wait_until([&] { return completions.count.load(std::memory_order_acquire) >= count; }, deadline);
  } catch (const Error&) {
    remove_completions(completions);
    throw;
  }
  remove_completions(completions);
  return completions.count.load(std::memory_order_relaxed);
}

std::size_t Client::next_completion(Completions& completions) {
  const auto any = [&] { return completions.count.load(std::memory_order_acquire) > completions.taken; };
  wait_until(any, detail::Deadline::max());
  const MutexLock guard(mutex_);
  return completions.ready[completions.taken++];
}

void Client::add_completions(Completions& completions, std::span<detail::EntryHead* const> heads) {
  const MutexLock guard(mutex_);
  completions.entries.reserve(heads.size());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    auto* entry = static_cast<owner::Entry*>(heads[i]);
    detail::retain(entry);
    completions.entries.push_back(entry);
    if (entry->phase == owner::Phase::resolved) {
      completions.add(i);
      entry->seen = true;  // a failure is no surprise to the caller
    } else {
      entry->watched = true;
      watchers_[entry].emplace_back(&completions, i);
      owner_->tasks().want(*entry);
    }
  }
}

void Client::remove_completions(Completions& completions) {
  {
    const MutexLock guard(mutex_);
    for (owner::Entry* entry : completions.entries) {
      const auto it = watchers_.find(entry);
      if (it == watchers_.end()) continue;
      std::erase_if(it->second, [&](const auto& watcher) { return watcher.first == &completions; });
      if (it->second.empty()) watchers_.erase(it);
    }
  }
  for (owner::Entry* entry : completions.entries) detail::release(entry);
  completions.entries.clear();
}

// --- running here what this thread waits for

bool Client::fits_here(const owner::Entry& entry) const {
  if (!entry.owned || entry.kind != owner::Kind::task) return false;
  if (entry.extra && entry.extra->stream) return false;  // it would wait for its reader, this thread
  if (owner::has_limit(entry)) return false;             // it may have to end with its process
  const sched::Where where = owner_->where_of(entry.shape);
  if (where.bundle || (where.node && where.node != node_of(self()) && !where.soft)) return false;
  const sched::ResourceSet& request = owner_->leases().request_of(entry.shape);
  const TaskContext* task = current_task();
  return request.gpus.zero() && request.env == welcome_.env && request.memory_bytes == 0 && request.named.empty() &&
         request.cpus.units() <= static_cast<std::int64_t>(task->cpus);
}

// Runs the task of the entry, and before it those that it waits for, in this thread if they have not started.
bool Client::run_here(owner::Entry& entry) {
  if (!stack_has_space()) return false;
  TaskInput input;
  RunningTask running(RunningTask::Place::stack);
  {
    MutexLock lock(mutex_);
    if (entry.phase == owner::Phase::waiting && fits_here(entry)) {
      const std::vector<owner::Entry*> references = entry.extra->references;
      for (owner::Entry* reference : references) detail::retain(reference);
      lock.unlock();
      for (owner::Entry* reference : references) {
        if (!reference->resolved.load(std::memory_order_acquire)) run_here(*reference);
        detail::release(reference);
      }
      lock.lock();
    }
    if (entry.phase != owner::Phase::queued && entry.phase != owner::Phase::pushed) return false;
    if (!fits_here(entry) || !owner_->leases().claim(entry)) return false;
    running.begin(entry.id, self());
    running_tasks_.enter(running);
  }
  owner::Outcome outcome;
  TaskContext context;
  context.id = entry.id;
  context.cpus = current_task()->cpus;
  context.running = &running;
  serial::Writer result;
  Error error(ErrorCode::internal, "");
  try {
    const auto view = [&](owner::Entry& of) -> detail::ValueView { return read_value(of); };
    input.function = entry.function;
    input.ref_mask = entry.ref_mask;
    input.attempt = entry.attempt;
    input.values = view(entry);
    for (owner::Entry* reference : references_of(entry)) input.references.push_back(view(*reference));
    if (entry.extra) input.label = entry.extra->name;
    if (run_task(*this, context, input, result, error, outcome.user_exception)) {
      outcome.value = make_value(result, kStoredFromBytes);
      for (detail::EntryHead* inside : result.take_refs()) outcome.held.push_back(static_cast<owner::Entry*>(inside));
    } else {
      outcome.value = owner::Value::of(error);
    }
  } catch (const Error& failed) {
    outcome.value = owner::Value::of(failed);
  }
  input = {};
  for (owner::Entry* imported : context.imported) detail::release(imported);  // covered by our own holds
  const MutexLock guard(mutex_);
  running_tasks_.leave(running);
  owner_->finished(entry, std::move(outcome));
  return true;
}

// --- the background thread

void Client::wake_background() {
  const MutexLock guard(background_mutex_);
  if (!background_parked_.load() || background_stop_) return;
  background_parked_ = false;
  if (!background_.joinable()) {
    background_ = std::thread([this] { background(); });
  } else {
    background_wake_.notify_all();
  }
}

void Client::background() {
  net::Doorbell& bell = slot().replies;
  Clock::time_point last_tick = Clock::now();
  for (;;) {
    bool asleep_on_bell = false;
    std::uint32_t seen = 0;
    {
      const MutexLock guard(mutex_);
      const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_tick);
      last_tick += passed;
      owner_->tick(page_->others_wait.load(std::memory_order_relaxed),
                   static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed.count(), 1, 60'000)));
      const bool stalls = stalls_.look(*owner_, Clock::now(), not_spilled());
      unread_.tick(Clock::now());
      if (waiters_ == 0) {
        drain();
        seen = bell.rings.load(std::memory_order_seq_cst);
        asleep_on_bell = prepare_sleep();
      }
      if ((!owner_->busy() && !stalls) || node_gone_) {
        const MutexLock background_guard(background_mutex_);
        background_parked_ = true;
      }
    }
    const Clock::time_point next = Clock::now() + kTick;
    if (asleep_on_bell && !background_parked_.load()) {
      // CLIENT-1: no thread waits, so this one takes in the results. Ticks stay kTick apart.
      while (Clock::now() < next && bell.sleep(seen, next)) {
        const MutexLock guard(mutex_);
        if (waiters_ > 0) break;
        drain();
        seen = bell.rings.load(std::memory_order_seq_cst);
        if (!prepare_sleep()) seen = bell.rings.load(std::memory_order_seq_cst) - 1;
      }
    }
    MutexLock guard(background_mutex_);
    if (!background_parked_) {
      while (!background_stop_ && background_wake_.wait_until(background_mutex_, next)) continue;
    }
    const bool parked = background_parked_.load();
    while (!background_stop_ && background_parked_.load()) {
      guard.unlock();
      const Clock::time_point expiry = shared_values_.expire(Clock::now());
      guard.lock();
      while (!background_stop_ && background_parked_.load()) {
        if (expiry == Clock::time_point::max()) {
          background_wake_.wait(background_mutex_);
        } else if (!background_wake_.wait_until(background_mutex_, expiry)) {
          break;
        }
      }
    }
    if (parked) last_tick = Clock::now();
    if (background_stop_) return;
  }
}

}  // namespace manta::client
