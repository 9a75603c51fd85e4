// Coroutines that run to their end in the calling thread: tasks of plain workers, and get(Task).
#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <vector>

#include <manta/detail/coroutine_call.h>
#include <manta/error.h>
#include <manta/task.h>

namespace manta::detail {

namespace {

bool resolved(const Await* await) { return await->entry->resolved.load(std::memory_order_acquire); }

// Goes on with what is ready, and blocks while nothing is: in the wait of get() where that is all there is to wait for,
// so that it releases CPUs and runs its own children first in the same way.
class BlockingResumer final : public Resumer {
 public:
  // Where a wait threw (the runtime has ended), the coroutines stay suspended until their call is destroyed.
  ~BlockingResumer() override {
    for (Await* await : objects_) await->waiting = false;
    for (Await* await : ready_) await->waiting = false;
    for (const auto& [time, await] : times_) await->waiting = false;
  }

  void run(CoroutineCall& call) {
    call.start(*this);
    while (!call.done()) {
      resume(next());
    }
  }

  bool wait_for(Await& await) override {
    if (resolved(&await)) return false;
    objects_.push_back(&await);
    return true;
  }
  void wait_until(Await& await, Deadline time) override { times_.emplace(time, &await); }
  void forget(Await& await) noexcept override {
    std::erase(objects_, &await);
    std::erase(ready_, &await);
    std::erase_if(times_, [&](const auto& timed) { return timed.second == &await; });
  }

 private:
  Await& next() {
    while (ready_.empty()) {
      collect();
      if (ready_.empty()) block();
    }
    Await* first = ready_.front();
    ready_.pop_front();
    return *first;
  }

  void collect() {
    const auto now = std::chrono::steady_clock::now();
    while (!times_.empty() && times_.begin()->first <= now) {
      ready_.push_back(times_.begin()->second);
      times_.erase(times_.begin());
    }
    std::erase_if(objects_, [&](Await* await) {
      if (!resolved(await)) return false;
      ready_.push_back(await);
      return true;
    });
  }

  void block() const {
    const Deadline deadline = times_.empty() ? Deadline::max() : times_.begin()->first;
    if (objects_.size() == 1) {
      (void)wait_resolved(objects_.front()->entry, deadline);
    } else if (!objects_.empty()) {
      std::vector<EntryHead*> entries;
      for (const Await* await : objects_) entries.push_back(await->entry);
      (void)wait_any(entries, 1, deadline);
    } else if (!times_.empty()) {
      std::this_thread::sleep_until(deadline);
    } else {
      throw Error(ErrorCode::internal, "a coroutine is suspended and waits for nothing");
    }
  }

  std::vector<Await*> objects_;
  std::multimap<Deadline, Await*> times_;
  std::deque<Await*> ready_;
};

}  // namespace

void run_to_end(CoroutineCall& call) {
  BlockingResumer resumer;
  resumer.run(call);
}

void throw_not_a_new_task(bool empty) {
  throw Error(ErrorCode::invalid_argument,
              empty ? "an empty Task was awaited: it was default-constructed, moved from, or "
                      "awaited before"
                    : "a Task was awaited twice: its coroutine runs once");
}

}  // namespace manta::detail
