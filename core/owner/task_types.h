// What a program submits, and how an attempt of it ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/owner/actor.h"
#include "core/owner/entry.h"
#include "core/sched/resources.h"

namespace manta::owner {

using ShapeIndex = std::uint16_t;
// What a process wants of its node has a number: that of a resource shape, or from kFirstActor on that of an actor.
using DemandIndex = std::uint32_t;
inline constexpr DemandIndex kFirstActor = 1u << 16;

struct NewTask {
  TaskId id;
  detail::FunctionId function;
  ShapeIndex shape = 0;
  std::int16_t max_retries = 3;
  bool retry_exceptions = false;
  std::uint32_t ref_mask = 0;
  Value arguments;
  std::vector<Entry*> references;  // the owner holds them itself
  std::vector<Entry*> contained;   // one hold of each passes to the owner
  std::string name;
  std::chrono::nanoseconds limit{};            // see EntryExtra
  std::optional<std::uint32_t> stream_buffer;  // of a generator: how far it may be ahead
};

struct NewActor {
  NewTask constructor;  // shape and retries do not count
  sched::ResourceSet request;
  sched::Where where;
  ActorLimits limits;
  std::string name;        // under which others find it; empty: none
  bool held_back = false;  // Actors::start follows, or the handle is dropped
};

// How one attempt of a task ended.
struct Outcome {
  Value value;                             // or error
  bool user_exception = false;             // error comes from user code (retry_exceptions applies)
  std::vector<detail::WireRef> contained;  // references inside the value; already counted for this process
  std::vector<Entry*> held;                // the same, already entries of this process; one hold of each passes over
  std::vector<detail::WireRef> kept;       // references from the arguments that the worker's process still holds
  std::optional<std::uint64_t> items;      // of a generator: how many it has made
};

// Whether the arguments of a task that is about to be pushed are in memory.
enum class Arguments : std::uint8_t {
  present,
  no_space,     // spilled ones, and the store has no space for them now
  awaited,      // some are made again: the task is in no queue
  task_failed,  // some cannot be read
};

// A lease on a worker, for tasks of one shape.
class WorkerLink;
struct Lease {
  LeaseId id;
  ClientId worker;
  ShapeIndex shape = 0;
  WorkerLink* link = nullptr;
  std::uint32_t in_flight = 0;
  bool blocked = false;   // its running task waits in get: nothing is pushed
  bool yielding = false;  // asked back: ends with its running task
  bool full = false;      // the ring had no space; until a task of it ends or the next tick
  std::uint32_t idle_ticks = 0;
  std::uint64_t finished = 0;
  std::uint64_t finished_at_tick = 0;
};

// What keeps an entry from being resolved, as far as this process knows: a demand that is not met, or `what`.
struct Obstacle {
  std::string label;
  std::string what;
  std::optional<DemandIndex> demand;
  std::uint64_t space_bytes = 0;  // as Unmet's
};

}  // namespace manta::owner
