#include "core/worker/suspended_calls.h"

#include <stdio_ext.h>

#include <cstdio>
#include <utility>

namespace manta::worker {

void SuspendedCalls::keep(IncomingTask& task, client::TaskContext& context, client::TaskInput& input) {
  calls_.emplace_front();
  ++count_;
  Call& call = calls_.front();
  call.self = calls_.begin();
  call.task = task.keep();
  call.input = std::move(input);
  call.context = std::move(context);
  call.context.items = nullptr;
  client_->stopping().keep(call.running, *call.context.running);
  call.context.running = &call.running;
  if (call.running.stopped()) stops_ = true;
  call.context.coroutine.call->user = &call;
}

// Their frames are destroyed where they wait.
void SuspendedCalls::end_stopped() {
  stops_ = false;
  for (auto it = calls_.begin(); it != calls_.end();) {
    Call& call = *it++;
    if (!call.context.stopped()) continue;
    client::TaskContext* const outer = std::exchange(client::current_task(), &call.context);
    call.context.coroutine.call.reset();
    client::current_task() = outer;
    Ended ended;
    ended.error = Error(ErrorCode::cancelled, "a call that waited in a coroutine has been cancelled");
    client_->stopping().stopped_ended(call.context, true);
    end(call, ended);
  }
}

bool SuspendedCalls::run() {
  if (stops_.load(std::memory_order_relaxed)) end_stopped();
  if (!coroutines_.ready() && coroutines_.next_time() == detail::Deadline::max()) return false;
  const std::size_t count = coroutines_.collect();
  for (std::size_t i = 0; i < count; ++i) {
    detail::Await* await = coroutines_.pop();
    if (await == nullptr) continue;
    detail::CoroutineCall& coroutine = *await->coroutine->call;
    auto& call = *static_cast<Call*>(coroutine.user);
    effects_.resumes(call.context);
    client::TaskContext* const outer = std::exchange(client::current_task(), &call.context);
    detail::resume(*await);
    client::current_task() = outer;
    if (coroutine.done()) {
      Ended ended;
      client_->runner().run(call.context, call.input, ended);
      end(call, ended);
    }
    if (::__fpending(stdout) != 0) std::fflush(stdout);
  }
  return count != 0;
}

void SuspendedCalls::clear(const detail::ActorInstance& actor) {
  for (auto it = calls_.begin(); it != calls_.end();) {
    Call& call = *it++;
    if (call.context.actor != &actor) continue;
    client_->stopping().ended(call.running);
    --count_;
    calls_.erase(call.self);
  }
}

void SuspendedCalls::end(Call& call, Ended& ended) {
  client_->stopping().ended(call.running);
  effects_.ended(*call.task, call.context, call.input, ended);
  --count_;
  calls_.erase(call.self);
}

}  // namespace manta::worker
