// Which worker to end when memory runs short, before the kernel ends a process of its choice. Sans-I/O but for the
// readings.
//
// The daemon looks at the memory in use now and then. Above the threshold it ends one worker, and the next only when
// that one is gone and it is still too much: first one that idles, then one that runs a task, then an actor's; of each
// kind the one that uses the most, and of several that use nearly as much the one that has run the shortest. A kind is
// passed by where ending one of it would free little beside what the biggest of all uses.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/node/container.h"
#include "core/sched/node_scheduler.h"

namespace manta::node {

struct MemoryUser {
  sched::Occupant worker;
  std::uint64_t bytes = 0;  // its own, not of the store
};

// None: ending any of them would not help.
ClientId choose_to_end(const std::vector<MemoryUser>& users);

// Private memory of a process in RAM; 0: it is gone.
std::uint64_t read_private_bytes(pid_t process);

}  // namespace manta::node
