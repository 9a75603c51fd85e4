// One actor as one process knows it: where it is, and what this process has called, in order.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <manta/detail/restart_backoff.h>
#include <manta/error.h>
#include <manta/ids.h>

#include "core/owner/entry.h"
#include "core/owner/messages.h"
#include "core/sched/resources.h"

namespace manta::owner {

class WorkerLink;

struct ActorLimits {
  std::int32_t max_restarts = 0;      // -1: for ever
  std::int32_t max_task_retries = 0;  // of calls that had started when the process died; -1: for ever
  std::uint32_t max_concurrency = 1;  // methods at a time
};

struct Actor {
  enum class State : std::uint8_t {
    locating,  // borrowed: its owner has been asked where it is, or will say
    pending,   // owned: waits for arguments, or for a worker
    starting,  // the constructor is in the worker's ring, or about to be
    alive,     // calls go into the worker's ring
    ending,    // no handle is left: the worker runs the destructor and ends
    dead,      // for good; `error` says why
  };

  std::uint32_t index = 0;  // this process' number of it: demands of owned ones are stated under it
  Entry* handle = nullptr;  // null while ending
  bool owned = false;
  State state = State::locating;
  ActorLimits limits;
  std::int32_t restarts_left = 0;  // -1: for ever
  ClientId worker;                 // where it is, or is being made; none: nowhere yet
  WorkerLink* link = nullptr;
  TaskQueue calls;               // not pushed, in order; a call that waits for its arguments holds up those behind it
  std::uint64_t open_calls = 0;  // not resolved; together they hold the handle
  std::uint32_t in_flight = 0;   // records in the ring
  bool killed = false;           // its process is about to end: nothing more goes into its ring
  bool full = false;             // the ring had no room; until a call ends or the next tick
  bool starved = false;          // no room for spilled arguments of the next call, until the next tick
  std::uint32_t starved_ticks = 0;
  Error error{ErrorCode::actor_died, ""};

  // Of owned ones.
  sched::ResourceSet request;
  sched::Where where;
  LeaseId lease;
  bool constructing = false;  // a worker has been granted, its constructor has not ended; holds the handle
  bool not_made = false;      // dead because its constructor failed, or could not run
  detail::RestartBackoff backoff;
  std::optional<std::chrono::nanoseconds> starts_at;  // pending: no worker is demanded before
  bool held_back = false;                             // until start_actor: its name is being registered
  bool demanded = false;                              // the node looks for a worker for it
  bool pushed = false;                                // starting, ending: the record for it is in the ring
  std::string name;                                   // under which others find it; empty: none
  std::string last_end;                               // how its last process ended; empty: it has had one at most
  std::vector<ClientId> subscribers;                  // processes that get messages about where it is

  std::optional<ActorAt> next_place;  // of a borrowed one: arrived before the old process' death
};

}  // namespace manta::owner
