// Calls of an actor whose coroutines wait: kept, resumed, and answered when they have ended.
//
//   EXEC-5  a call whose coroutine waits is kept, with its arguments, and answered when that has ended; frames that
//           wait when the actor ends are destroyed before it
//
// Threading: the main thread (with MANTA_LOCAL: one thread at a time); count() and stopped() from any. Ownership: owns
// the calls; the client must outlive it.
#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>

#include "core/client/client.h"
#include "core/worker/coroutines.h"
#include "core/worker/incoming_task.h"

namespace manta::worker {

class CallEffects {
 public:
  virtual ~CallEffects() = default;
  // The coroutine of the call is to go on now, in this thread. False: not yet.
  virtual bool resumes(IncomingTask& task, const client::TaskContext& context) = 0;
  // It has waited again, or ended.
  virtual void paused(IncomingTask& task) = 0;
  // A call has ended: the reply is due.
  virtual void ended(IncomingTask& task, client::TaskContext& context, client::TaskInput& input, Ended& ended) = 0;
};

class SuspendedCalls {
 public:
  explicit SuspendedCalls(CallEffects& effects) : effects_(effects) {}
  void attach(client::Client& client) {
    client_ = &client;
    coroutines_.attach(client);
  }

  // The call's coroutine waits (context.coroutine).
  void keep(IncomingTask& task, client::TaskContext& context, client::TaskInput& input);
  // Resumes what is ready. True: something was. A coroutine that blocks may come here again.
  bool run();
  // One of them was asked to stop.
  void stopped() { stops_ = true; }
  // The actor ends: the frames of its calls go before its object. Null: those of all actors.
  void clear(const detail::ActorInstance* actor);

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
    bool on_stack = false;  // its coroutine goes on further down
    bool ending = false;
  };

  void end_stopped();
  void end(Call& call, Ended& ended);

  client::Client* client_ = nullptr;
  CallEffects& effects_;
  Coroutines coroutines_;
  std::list<Call> calls_;
  std::atomic<std::size_t> count_{0};  // read by other threads
  std::atomic<bool> stops_{false};     // some of them were asked to stop
};

}  // namespace manta::worker
