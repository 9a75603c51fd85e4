#include "core/client/waiting.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/client/local_runner.h"
#include "core/client/task_context.h"
#include "core/net/spin.h"

namespace manta::client {

namespace {

constexpr std::chrono::milliseconds kExplained{10};  // a deadline after a shorter wait says nothing of the reason
thread_local bool last_wait_was_long = false;
constexpr std::chrono::seconds kEndingGrace{2};  // for actors' destructors, when the program ends
thread_local net::Spin spin{true};               // the submitter of a pair moves: a worker may have been put on its CPU

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// A thread that waits, until it goes on, by whatever way.
class Waiter {
 public:
  Waiter(ProcessState& state, BlockedThreads* blocked) : state_(state), blocked_(blocked) {
    state_.waiters.fetch_add(1, std::memory_order_relaxed);
  }
  // CLIENT-2: other threads must now watch what this one polled. `sleepers` does not tell: a thread may be about to
  // sleep and have armed the links before this thread disarmed them.
  ~Waiter() {
    if (state_.waiters.fetch_sub(1, std::memory_order_relaxed) > 1) state_.slot.replies.wake();
    if (blocks_) blocked_->wait_ends(wait_);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool may_block() const { return blocked_ != nullptr && !blocks_; }
  void block() {  // CLIENT-4
    blocks_ = true;
    wait_ = blocked_->wait_begins();
  }

 private:
  ProcessState& state_;
  BlockedThreads* const blocked_;
  bool blocks_ = false;
  std::uint64_t wait_ = 0;
};

}  // namespace

// Polls for as long as results keep coming, spin_ns after the last. Done: true.
template <class Predicate>
bool Waiting::poll(Predicate done, detail::Deadline deadline) {
  const auto spin_for = std::chrono::nanoseconds(state_.welcome.spin_ns);
  Clock::time_point last = Clock::now();
  spin.begin(last, spin_for);
  bool progress = false;
  for (std::uint32_t n = 0;; ++n) {
    bool shares_cpu = false;
    {
      const OwnerLock guard(state_);
      progress = results_.drain() || progress;
      if (!progress) shares_cpu = results_.waits_for_this_cpu();
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
bool Waiting::wait_until(Predicate done, detail::Deadline deadline) {
  const Clock::time_point start = Clock::now();
  net::Doorbell& bell = state_.slot.replies;
  const TaskContext* task = current_task();
  const auto over = [&] { return done() || (task != nullptr && task->stopped()); };
  bool result = false;
  {
    Waiter waiter(state_, blocked_);
    for (;;) {
      LocalRunner* const local = state_.local.load(std::memory_order_relaxed);
      std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
      if (local != nullptr) [[unlikely]] {
        while (!over() && local->run_next()) continue;
      }
      result = poll(over, deadline);
      const auto now = Clock::now();
      if (result || now >= deadline) break;
      if (waiter.may_block() && now - start >= kBlockedAfter) waiter.block();
      {
        const OwnerLock guard(state_);
        results_.drain();
        if (over()) continue;
        if (local == nullptr) seen = bell.rings.load(std::memory_order_seq_cst);
        if (!results_.prepare_sleep()) continue;
      }
      Clock::time_point until = deadline;
      if (waiter.may_block()) until = std::min(until, start + kBlockedAfter);
      if (local != nullptr) until = std::min(until, local->look_again());
      bell.sleep(seen, until);
    }
    last_wait_was_long = !result && Clock::now() - start >= kExplained;
  }
  state_.events.publish_task(observe::Waited{start});
  if (result && !done()) throw Error(ErrorCode::cancelled, "the task that waits here has been cancelled");
  return result;
}

bool Waiting::wait_for(const std::function<bool()>& done, detail::Deadline deadline) {
  return wait_until(done, deadline);
}

bool Waiting::wait_resolved(owner::Entry& entry, detail::Deadline deadline) {
  const auto done = [&] { return entry.resolved.load(std::memory_order_acquire); };
  {
    const OwnerLock guard(state_);
    results_.drain();
    if (done()) {
      if (state_.waiters.load(std::memory_order_relaxed) > 0) state_.slot.replies.wake();  // CLIENT-2
      return true;
    }
    entry.watched = true;
    state_.owner->tasks().want(entry);
  }
  if (current_task() != nullptr && deadline == detail::Deadline::max()) context_.run_here(entry);
  return wait_until(done, deadline);
}

bool Waiting::waited_long() { return std::exchange(last_wait_was_long, false); }

std::size_t Waiting::wait_any(std::span<detail::EntryHead* const> entries, std::size_t count,
                              detail::Deadline deadline) {
  Completions completions;
  context_.add(completions, entries);
  try {
    wait_until([&] { return completions.count.load(std::memory_order_acquire) >= count; }, deadline);
  } catch (...) {
    context_.remove(completions);
    throw;
  }
  context_.remove(completions);
  return completions.count.load(std::memory_order_relaxed);
}

std::size_t Waiting::next(Completions& completions) {
  const auto any = [&] { return completions.count.load(std::memory_order_acquire) > completions.taken; };
  wait_until(any, detail::Deadline::max());
  const OwnerLock guard(state_);
  return completions.ready[completions.taken++];
}

bool Waiting::no_actor_ends() {
  const OwnerLock guard(state_);
  return state_.node_gone || !state_.owner->actors().ending();
}

void Waiting::wait_for_ending_actors() {
  const auto deadline = Clock::now() + kEndingGrace;
  net::Doorbell& bell = state_.slot.replies;
  while (!no_actor_ends()) {
    const std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
    if (LocalRunner* local = state_.local; local != nullptr && Clock::now() < deadline && local->run_next()) continue;
    if (no_actor_ends()) return;
    if (!bell.sleep(seen, std::min(deadline, Clock::now() + std::chrono::milliseconds(20))) && Clock::now() >= deadline)
      return;
  }
}

void Waiting::let_go() {
  while (state_.waiters.load() > 0) {
    state_.slot.replies.wake();
    std::this_thread::yield();
  }
}

}  // namespace manta::client
