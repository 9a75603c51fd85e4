// What waits for which entry: threads (Completions), loops of the program (ReadyList), coroutines (Awaits).
//
// Threading: public methods from any thread; resolved() with the owner's mutex. Ownership: a Completions, a ReadyList
// and an await belong to their users, and are removed before they end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <manta/detail/coroutine_call.h>

#include "core/client/awaits.h"
#include "core/client/completions.h"
#include "core/client/process_state.h"
#include "core/client/ready_list.h"
#include "core/client/results.h"

namespace manta::client {

class Watchers {
 public:
  Watchers(ProcessState& state, Results& results) : state_(state), results_(results) {}

  // The entry is resolved, and it was watched.
  void resolved(owner::Entry& entry) MANTA_REQUIRES(owner_mutex);

  void add(Completions& completions, std::span<detail::EntryHead* const> entries);
  void remove(Completions& completions);

  // --- loops of the program
  void watch(ReadyList& list, owner::Entry& entry, std::uint64_t token);
  void take_ready(ReadyList& list, std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries);
  // The background thread, or a thread that waits, looks for results from now on. False: something is ready.
  bool arm(ReadyList& list);
  void unwatch(ReadyList& list);

  // --- coroutines of the executor
  // It becomes ready when its entry is resolved, and the executor's doorbell is rung. False: it is resolved.
  bool await(detail::Await& await);
  void forget(detail::Await& await);
  // Those that are ready, linked.
  detail::Await* take_awaited();
  const Awaits& awaits() const { return awaits_; }
  // The executor looks for results itself while it polls; true: an await is ready.
  bool drain_awaited();
  // From now on the background thread does (CLIENT-1); false: not yet, something is there.
  bool prepare_to_sleep_awaiting();

 private:
  ProcessState& state_;
  Results& results_;
  std::map<owner::Entry*, std::vector<std::pair<Completions*, std::size_t>>> completions_ MANTA_GUARDED_BY(owner_mutex);
  std::unordered_map<owner::Entry*, std::vector<std::pair<ReadyList*, std::size_t>>> lists_
      MANTA_GUARDED_BY(owner_mutex);  // never walked
  Awaits awaits_ MANTA_GUARDED_BY(owner_mutex);
};

}  // namespace manta::client
