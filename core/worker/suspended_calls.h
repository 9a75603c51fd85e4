// Calls of an actor whose coroutines wait: kept, resumed, and answered when they have ended.
//
//   EXEC-5  a call whose coroutine waits is kept, with its arguments, and answered when that has ended; frames that
//           wait when the actor ends are destroyed before it
//
// Threading: the main thread; stopped() from any. Ownership: owns the calls; the client must outlive it.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "core/client/client.h"
#include "core/worker/coroutines.h"
#include "core/worker/incoming_task.h"

namespace manta::worker {

class SuspendedCalls {
 public:
  // Answers a call that has ended.
  using Settle = std::function<void(IncomingTask&, client::TaskContext&, client::TaskInput&, Ended&)>;

  explicit SuspendedCalls(Settle settle) : settle_(std::move(settle)) {}
  void attach(client::Client& client) { client_ = &client; }

  // The call's coroutine waits (context.coroutine).
  void keep(IncomingTask& task, client::TaskContext& context, client::TaskInput& input);
  // Resumes what is ready. True: something was.
  bool run();
  // One of them was asked to stop.
  void stopped() { stops_ = true; }
  // The actor ends: the frames go before its object.
  void clear() { calls_.clear(); }

  std::size_t count() const { return count_; }
  bool ready() const { return coroutines_.ready() || stops_.load(); }
  detail::Deadline next_time() const { return coroutines_.next_time(); }
  Coroutines& coroutines() { return coroutines_; }

 private:
  struct Call {
    std::unique_ptr<IncomingTask> task;
    client::TaskInput input;  // what arguments may refer to
    client::TaskContext context;
    client::RunningTask running{client::RunningTask::Place::coroutine};
    std::list<Call>::iterator self;
  };

  void end_stopped();
  void end(Call& call, Ended& ended);

  client::Client* client_ = nullptr;
  Settle settle_;
  Coroutines coroutines_;
  std::list<Call> calls_;
  std::size_t count_ = 0;
  std::atomic<bool> stops_{false};  // some of them were asked to stop
};

}  // namespace manta::worker
