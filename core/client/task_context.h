// Which task the calling thread runs.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/ids.h>

#include "core/owner/entry.h"

namespace manta::detail {
struct ActorInstance;
class ItemSink;
}

namespace manta::client {

struct TaskContext {
  TaskId id;
  std::uint64_t children = 0;  // tasks submitted so far
  std::uint64_t puts = 0;
  std::uint32_t cpus = 0;      // ten-thousandths that its lease holds
  detail::ActorInstance* actor = nullptr;  // of which a method, or the constructor, runs
  detail::ItemSink* items = nullptr;       // where a generator's items go
  TaskContext* outer = nullptr;  // the task on whose stack it runs, having been waited for there
  // Entries imported from its arguments, each held once more: the reply must tell which are kept.
  std::vector<owner::Entry*> imported;
};

// Null outside of tasks. Set by whoever runs a task in this thread.
TaskContext*& current_task();

}  // namespace manta::client
