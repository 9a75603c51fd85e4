#include "core/worker/suspended_calls.h"

#include <stdio_ext.h>

#include <algorithm>
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

// Their frames are destroyed where they wait, which may run user code that comes back here.
void SuspendedCalls::end_stopped() {
  stops_ = false;
  const auto next = [&] {
    return std::find_if(calls_.begin(), calls_.end(),
                        [](const Call& call) { return call.context.stopped() && !call.on_stack && !call.ending; });
  };
  for (auto it = next(); it != calls_.end(); it = next()) {
    Call& call = *it;
    call.ending = true;
    client::TaskContext* const outer = std::exchange(client::current_task(), &call.context);
    call.context.coroutine.call.reset();
    client::current_task() = outer;
    Ended ended;
    ended.error = Error(ErrorCode::cancelled, "a call that waited in a coroutine has been cancelled");
    client_->stopping().stopped_ended(call.context, true);
    end(call, ended);
  }
  const auto stopped_on_stack = [](const Call& call) { return call.on_stack && call.context.stopped(); };
  if (std::any_of(calls_.begin(), calls_.end(), stopped_on_stack)) stops_ = true;
}

bool SuspendedCalls::run() {
  if (stops_.load(std::memory_order_relaxed)) end_stopped();
  if (!coroutines_.ready() && coroutines_.next_time() == detail::Deadline::max()) return false;
  const std::size_t count = coroutines_.collect();
  bool ran = false;
  for (std::size_t i = 0; i < count; ++i) {
    detail::Await* await = coroutines_.pop();
    if (await == nullptr) continue;
    detail::CoroutineCall& coroutine = *await->coroutine->call;
    auto& call = *static_cast<Call*>(coroutine.user);
    if (!effects_.resumes(*call.task, call.context)) {
      coroutines_.put_off(*await);
      continue;
    }
    ran = true;
    call.on_stack = true;
    client::TaskContext* const outer = std::exchange(client::current_task(), &call.context);
    detail::resume(*await);
    client::current_task() = outer;
    call.on_stack = false;
    effects_.paused(*call.task);
    if (coroutine.done()) {
      Ended ended;
      client_->runner().run(call.context, call.input, ended);
      end(call, ended);
    }
    if (::__fpending(stdout) != 0) std::fflush(stdout);
  }
  return ran;
}

void SuspendedCalls::clear(const detail::ActorInstance* actor) {
  const auto next = [&] {
    return std::find_if(calls_.begin(), calls_.end(), [&](const Call& call) {
      return (actor == nullptr || call.context.actor == actor) && !call.on_stack && !call.ending;
    });
  };
  for (auto it = next(); it != calls_.end(); it = next()) {
    it->ending = true;
    it->context.coroutine.call.reset();
    client_->stopping().ended(it->running);
    --count_;
    calls_.erase(it);
  }
}

void SuspendedCalls::end(Call& call, Ended& ended) {
  client_->stopping().ended(call.running);
  effects_.ended(*call.task, call.context, call.input, ended);
  --count_;
  calls_.erase(call.self);
}

}  // namespace manta::worker
