// The actor that a worker process hosts, if it hosts one: its object, its owner, and how many calls it takes at a time.
//
// Threading: written by the main thread before other threads run calls; then read by all. Ownership: owns the object.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include <manta/error.h>

#include "core/client/task_context.h"
#include "core/net/messages.h"

namespace manta::worker {

class ActorHost {
 public:
  bool hosts() const { return actor_.object != nullptr; }
  ClientId owner() const { return owner_; }
  std::uint32_t cpus() const { return cpus_; }
  std::uint32_t concurrency() const { return concurrency_; }
  // Its class has methods that are coroutines: calls run in the main thread, and several are under way.
  bool has_coroutines() const { return hosts() && actor_.coroutines; }

  // For a constructor, where its object goes; for a method, the object. False: there is none; `error` says so.
  bool attach(net::TaskKind kind, client::TaskContext& context, detail::ActorInstance& made, detail::Resumer& resumer,
              std::optional<Error>& error) {
    if (kind == net::TaskKind::construct) context.actor = &made;
    if (kind != net::TaskKind::method) return true;
    context.actor = &actor_;
    if (has_coroutines()) context.coroutine.resumer = &resumer;
    if (!hosts()) error = Error(ErrorCode::actor_died, "the process hosts no actor");
    return hosts();
  }
  // From now on the process is the actor's.
  void host(const detail::ActorInstance& made, ClientId owner, std::uint32_t cpus, std::uint32_t concurrency) {
    actor_ = made;
    owner_ = owner;
    cpus_ = cpus;
    concurrency_ = std::max(concurrency, 1u);
  }
  const detail::ActorInstance& instance() const { return actor_; }
  // Runs the destructor. From now on it hosts none.
  void destroy() {
    void* const object = std::exchange(actor_.object, nullptr);
    actor_.destroy(object);
  }

 private:
  detail::ActorInstance actor_;  // none: object is null
  ClientId owner_;
  std::uint32_t cpus_ = 0;
  std::uint32_t concurrency_ = 1;
};

}  // namespace manta::worker
