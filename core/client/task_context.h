// Which task the calling thread runs.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/detail/coroutine_call.h>
#include <manta/ids.h>

#include "core/client/running_task.h"
#include "core/owner/entry.h"

namespace manta::detail {
struct ActorInstance;
class ItemSink;
}  // namespace manta::detail

namespace manta::client {

// An actor, from the start of its constructor on; none: no id.
struct HostedActor {
  ObjectId id;
  bool restarted = false;
};

struct TaskContext {
  TaskId id;
  std::uint64_t children = 0;  // tasks submitted so far
  std::uint64_t puts = 0;
  std::uint32_t cpus = 0;                  // ten-thousandths that its lease holds
  std::uint64_t function = 0;              // its id
  std::uint16_t attempt = 0;               // those before it that had started and failed
  detail::ActorInstance* actor = nullptr;  // of which a method, or the constructor, runs
  HostedActor* hosted = nullptr;           // the same actor, as others know it
  detail::ItemSink* items = nullptr;       // where a generator's items go
  TaskContext* outer = nullptr;            // the task on whose stack it runs, having been waited for there
  detail::CoroutineSlot coroutine;         // where it is left if it waits
  RunningTask* running = nullptr;          // how other threads reach it; null: they cannot
  // Whether it was asked to stop: its waits end.
  bool stopped() const { return running != nullptr && running->stopped(); }
  // The name of the next task that it submits. With the owner's mutex.
  TaskId next_child() {
    const TaskId child = id.child(children++);
    if (running != nullptr) running->has_children(children);
    return child;
  }
  // Entries imported from its arguments, each held once more: the reply must tell which are kept.
  std::vector<owner::Entry*> imported;
};

// Null outside of tasks. Set by the code that runs a task in this thread.
TaskContext*& current_task();

}  // namespace manta::client
