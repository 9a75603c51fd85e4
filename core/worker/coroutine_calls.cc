// Calls of an actor whose coroutines wait: kept, resumed, answered. Coroutines says when they go on.
#include <stdio_ext.h>

#include <cstdio>
#include <utility>

#include "core/worker/executor.h"

namespace manta::worker {

Executor::Suspended& Executor::suspend(client::TaskContext& context, client::TaskInput& input) {
  suspended_.emplace_front();
  ++suspended_count_;
  Suspended& call = suspended_.front();
  call.self = suspended_.begin();
  call.input = std::move(input);
  call.context = std::move(context);
  call.context.items = nullptr;
  client_->keep_running(call.running, *call.context.running);
  call.context.running = &call.running;
  if (call.running.stopped()) stops_ = true;
  call.context.coroutine.call->user = &call;
  return call;
}

// Any thread.
void Executor::suspended_stopped() {
  stops_ = true;
  client_->slot().tasks.wake();
}

// Their frames are destroyed where they wait.
void Executor::end_stopped() {
  stops_ = false;
  for (auto it = suspended_.begin(); it != suspended_.end();) {
    Suspended& call = *it++;
    if (!call.context.stopped()) continue;
    client::current_task() = &call.context;
    call.context.coroutine.call.reset();
    client::current_task() = nullptr;
    Ended ended;
    ended.error = Error(ErrorCode::cancelled, "a call that waited in a coroutine has been cancelled");
    client_->stopped_task_ended(call.context, true);
    end_suspended(call, ended);
  }
}

bool Executor::run_coroutines() {
  if (stops_.load(std::memory_order_relaxed)) end_stopped();
  if (!coroutines_.ready() && coroutines_.next_time() == detail::Deadline::max()) return false;
  const std::size_t count = coroutines_.collect();
  for (std::size_t i = 0; i < count; ++i) {
    detail::Await* await = coroutines_.pop();
    if (await == nullptr) continue;
    detail::CoroutineCall& coroutine = *await->coroutine->call;
    auto& call = *static_cast<Suspended*>(coroutine.user);
    set_threads(call.context.cpus);
    client::current_task() = &call.context;
    detail::resume(*await);
    client::current_task() = nullptr;
    if (coroutine.done()) {
      Ended ended;
      ended.ok = client::run_task(*client_, call.context, call.input, ended.result, ended.error, ended.user_exception);
      end_suspended(call, ended);
    }
    if (::__fpending(stdout) != 0) std::fflush(stdout);
  }
  return count != 0;
}

void Executor::end_suspended(Suspended& call, Ended& ended) {
  client_->ended_running(call.running);
  if (call.work.incoming != nullptr) {
    settle(call.work, call.context, call.input, ended);
  } else {
    settle_remote(call.submitter, call.position, call.context, call.input, ended);
  }
  --suspended_count_;
  suspended_.erase(call.self);
}

// Until a record is published, a coroutine is ready, or its time has come. False: there is something already.
bool Executor::sleep_beside_coroutines(net::Doorbell& bell, std::uint32_t seen) {
  const bool awaiting = client_->awaits().any();
  if (awaiting && !client_->prepare_to_sleep_awaiting()) return false;
  if (coroutines_.ready() || stops_) return false;
  // CLIENT-4: what the calls wait for may need the actor's CPUs.
  const bool lends = awaiting && actor_cpus_ != 0;
  const std::uint64_t wait = lends ? lending_.wait_begins() : 0;
  bell.sleep(seen, coroutines_.next_time());
  if (lends) lending_.wait_ends(wait);
  return true;
}

}  // namespace manta::worker
