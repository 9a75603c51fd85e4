// One worker of a process that runs its tasks itself (MANTA_LOCAL): the end of its lease's link, and its actor.
//
// Threading: all but the host with the owner's mutex. Ownership: shared by the process' workers and the tasks that run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/worker/local_link.h"
#include "core/worker/task_host.h"

namespace manta::worker {

struct LocalWorker final : HostEffects, std::enable_shared_from_this<LocalWorker> {
  LocalWorker(const net::Granted& of, LocalQueue& queue, const Arguments& arguments, OutgoingStreams& streams,
              SuspendedCalls& suspended_calls, client::Client& its_client)
      : granted(of),
        link(queue, *this, its_client.slot().replies),
        host(arguments, streams, suspended_calls, *this),
        client(its_client) {
    host.attach(client);
  }

  // Whether it takes another task, beside those that it runs.
  bool has_space() const {
    if (ended) return false;
    if (granted.shape < owner::kFirstActor) return true;
    if (coroutines) return stacked == 0 && suspended < at_a_time;
    return stacked < at_a_time;
  }

  // --- HostEffects, without the mutex
  void actor_made() override {
    const client::OwnerLock guard(client.state());
    has_actor = true;
    coroutines = host.actor().has_coroutines();
    at_a_time = host.actor().concurrency();
  }
  void actor_ends() override {
    host.destroy_actor();
    {
      const client::OwnerLock guard(client.state());
      has_actor = false;
    }
    client.node().send(net::KillWorker{granted.lease});
  }
  void thread_ends() override {}

  const net::Granted granted;
  LocalLink link;
  TaskHost host;
  client::Client& client;
  bool has_actor = false;
  bool coroutines = false;
  std::uint32_t at_a_time = 1;
  std::uint32_t stacked = 0;         // that run, in threads or on top of each other
  std::uint32_t suspended = 0;       // calls whose coroutines wait, or go on
  std::optional<std::string> ended;  // the lease has, and the owner learns of it once nothing runs: how
};

}  // namespace manta::worker
