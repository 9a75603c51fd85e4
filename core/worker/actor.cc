// The actor that a worker process hosts.
#include <stdio.h>
#include <unistd.h>

#include <thread>

#include "core/worker/executor.h"

namespace manta::worker {

// False: a method is called, but there is no object; `error` says so.
bool Executor::attach_actor(const Work& work, client::TaskContext& context, detail::ActorInstance& made, Error& error) {
  const std::uint8_t flags = work.record->flags;
  if ((flags & net::Record::kConstruct) != 0) {
    context.actor = &made;
  } else if ((flags & net::Record::kMethod) != 0) {
    if (actor_.object == nullptr) {
      error = Error(ErrorCode::actor_died, "the process hosts no actor");
      return false;
    }
    context.actor = &actor_;
  }
  return true;
}

// made: null where the constructor failed; the process then is a worker like any other.
void Executor::constructed(const Work& work, const detail::ActorInstance* made) {
  std::atomic<std::uint32_t>& concurrency = work.channel->memory->concurrency;
  if (made == nullptr) return concurrency.store(1, std::memory_order_relaxed);
  actor_ = *made;
  actor_owner_ = work.channel->submitter;
  actor_cpus_ = work.channel->memory->task_cpus.load(std::memory_order_relaxed);
  concurrency_ = concurrency.load(std::memory_order_relaxed);
  for (const auto& channel : channels_) channel->memory->concurrency.store(concurrency_, std::memory_order_relaxed);
  if (concurrency_ <= 1) return;
  concurrent_ = true;
  for (std::uint32_t i = 1; i < concurrency_; ++i) std::thread([this] { loop(); }).detach();
}

// EXEC-4.
void Executor::end_with_actor(bool destroy) {
  if (destroy) {
    try {
      actor_.destroy(actor_.object);
    } catch (const std::exception& error) {
      const std::string text = std::string("manta: the destructor of an actor threw: ") + error.what() + "\n";
      (void)!::write(2, text.data(), text.size());
    }
  }
  std::fflush(stdout);
  ::_exit(0);
}

}  // namespace manta::worker
