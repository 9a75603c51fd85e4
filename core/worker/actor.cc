// The actor that a worker process hosts.
#include <cxxabi.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <manta/detail/thrown.h>

#include "core/base/log.h"
#include "core/worker/executor.h"

namespace manta::worker {

// False: a method is called, but there is no object; `error` says so.
bool Executor::attach_actor(net::TaskKind kind, client::TaskContext& context, detail::ActorInstance& made,
                            Error& error) {
  if (kind == net::TaskKind::construct) context.actor = &made;
  if (kind != net::TaskKind::method) return true;
  context.actor = &actor_;
  if (hosts_coroutines_) context.coroutine.resumer = &coroutines_;
  if (actor_.object == nullptr) error = Error(ErrorCode::actor_died, "the process hosts no actor");
  return actor_.object != nullptr;
}

// From now on the process is the actor's. (Where the constructor fails, it stays a worker like any other.)
void Executor::host(const Hosted& actor) {
  actor_ = actor.instance;
  actor_owner_ = actor.owner;
  actor_cpus_ = actor.cpus;
  concurrency_ = std::max(actor.concurrency, 1u);
  lending_.host_actor();
  {
    const MutexLock lock(rings_mutex_, several_threads());
    for (const auto& incoming : rings_) incoming->memory->concurrency.store(concurrency_, std::memory_order_relaxed);
  }
  hosts_coroutines_ = actor.instance.coroutines;
  if (concurrency_ <= 1 || hosts_coroutines_) return;
  concurrent_ = true;
  for (std::uint32_t i = 1; i < concurrency_; ++i) std::thread([this] { run_thread(); }).detach();
}

// EXEC-4.
MANTA_CATCHES_FORCED_UNWIND void Executor::end_with_actor(bool destroy) {
  if (destroy && actor_.object != nullptr) {
    try {
      suspended_.clear();
      actor_.destroy(actor_.object);
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      log::error("the destructor of an actor threw: ", detail::thrown_text());
    }
  }
  std::fflush(stdout);
  client_->outbox().flush(client::Client::Clock::now() + std::chrono::seconds(10));
  ::_exit(0);
}

}  // namespace manta::worker
