// The callback thread: one for each runtime of the process, from the first on_ready on.
//
//   READY-1  each callback runs once: for its value, or with an error at the runtime's end
//   READY-2  callbacks run without a lock held
#include <manta/on_ready.h>

#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <manta/ready_queue.h>

#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/client/client.h"

namespace manta::detail {

namespace {

// Threading: any thread, but for the queue, which the own thread uses. Ownership: of callbacks that have not run.
class CallbackThread {
 public:
  CallbackThread() : queue_([this] { wake(); }), thread_([this] { run(); }) {}
  // Runs what is due, then the rest with an error.
  ~CallbackThread() {
    {
      const MutexLock guard(mutex_);
      ending_ = true;
    }
    wake();
    thread_.join();
  }
  CallbackThread(const CallbackThread&) = delete;
  CallbackThread& operator=(const CallbackThread&) = delete;

  void add(EntryHead& entry, std::unique_ptr<ReadyCallback> callback) {
    {
      const MutexLock guard(mutex_);
      incoming_.emplace_back(untyped(entry), std::move(callback));
    }
    wake();
  }

 private:
  void wake() {
    {
      const MutexLock guard(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  void run() {
    for (;;) {
      const bool ending = admit();
      if (run_ready()) continue;
      if (ending) break;
      if (!queue_.arm()) continue;
      const MutexLock lock(mutex_);
      while (!woken_) changed_.wait(mutex_);
      woken_ = false;
    }
    const Error ended(ErrorCode::unavailable,
                      "the runtime has ended before the value of a Ref given to on_ready was there");
    for (auto& [token, callback] : waiting_) call(std::move(callback), &ended);
  }

  // Watches what was added; whether the end was asked for.
  bool admit() {
    std::vector<std::pair<Ref<Untyped>, std::unique_ptr<ReadyCallback>>> incoming;
    bool ending = false;
    {
      const MutexLock guard(mutex_);
      incoming.swap(incoming_);
      ending = ending_;
    }
    for (auto& [ref, callback] : incoming) {
      waiting_.emplace(++last_token_, std::move(callback));
      queue_.add(ref, last_token_);
    }
    return ending;
  }

  bool run_ready() {
    const std::vector<std::uint64_t>& tokens = queue_.take();
    for (const std::uint64_t token : tokens) call(std::move(waiting_.extract(token).mapped()), nullptr);
    return !tokens.empty();
  }

  static void call(std::unique_ptr<ReadyCallback> callback, const Error* ended) {
    try {
      callback->run(ended);
    } catch (const std::exception& exception) {
      log::error("a callback given to manta::on_ready threw: ", exception.what(), "; it is dropped");
    } catch (...) {
      log::error("a callback given to manta::on_ready threw something that is no std::exception; it is dropped");
    }
  }

  ReadyQueue queue_;
  std::unordered_map<std::uint64_t, std::unique_ptr<ReadyCallback>> waiting_;  // by token; the own thread's
  std::uint64_t last_token_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::pair<Ref<Untyped>, std::unique_ptr<ReadyCallback>>> incoming_ MANTA_GUARDED_BY(mutex_);
  bool woken_ MANTA_GUARDED_BY(mutex_) = false;
  bool ending_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

struct Callbacks {
  Mutex mutex;
  std::unique_ptr<CallbackThread> thread MANTA_GUARDED_BY(mutex);
  std::uint64_t ended MANTA_GUARDED_BY(mutex) = 0;  // the client's instance whose callbacks have ended
};
// Not destroyed: a worker ends while its thread runs.
Callbacks& callbacks() {
  static auto* const all = new Callbacks;
  return *all;
}

}  // namespace

void call_when_ready(EntryHead& entry, std::unique_ptr<ReadyCallback> callback) {
  const std::uint64_t instance = client::Client::require().instance();
  Callbacks& all = callbacks();
  const MutexLock guard(all.mutex);
  if (all.ended == instance) {
    throw Error(ErrorCode::unavailable, "manta::on_ready was called while the runtime ends");
  }
  if (all.thread == nullptr) all.thread = std::make_unique<CallbackThread>();
  all.thread->add(entry, std::move(callback));
}

void end_callbacks() {
  std::unique_ptr<CallbackThread> thread;
  Callbacks& all = callbacks();
  {
    const MutexLock guard(all.mutex);
    all.ended = client::Client::require().instance();
    thread = std::move(all.thread);
  }
}

}  // namespace manta::detail
