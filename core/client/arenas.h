// The node's arenas as this process sees them: its own, to write; all, to read.
//
// Threading: any thread; own blocks with the owner's mutex (OwnStore). Ownership: owns the mappings.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/base/fd.h"
#include "core/base/mutex.h"
#include "core/owner/value.h"
#include "core/store/arena.h"

namespace manta::client {

class Arenas {
 public:
  // request: asks the node for an arena's descriptor, to be answered by arrived().
  explicit Arenas(std::function<void(ClientId)> request) : request_(std::move(request)) {}

  // The bytes of a stored value; blocks while the node is asked for an arena that was never seen. object_lost: unknown.
  [[nodiscard]] Result<std::shared_ptr<const store::ArenaView>> view(ClientId arena);
  // The same without asking; null: not here.
  std::shared_ptr<const store::ArenaView> known(ClientId arena);
  // A descriptor, or an empty one: the node knows no such arena.
  void arrived(ClientId arena, Fd memory);
  // The arena's process is dead, and no value known here lies in it. A thread that needs it nevertheless, to read an
  // argument, asks the node again, and it is unmapped after that.
  void forget(ClientId arena);
  // The node is gone: nothing arrives any more.
  void close();

 private:
  std::function<void(ClientId)> request_;
  Mutex mutex_;
  CondVar arrived_;
  std::map<ClientId, Result<std::shared_ptr<const store::ArenaView>>> views_ MANTA_GUARDED_BY(mutex_);
  std::map<ClientId, std::uint32_t> wanted_
      MANTA_GUARDED_BY(mutex_);  // by how many threads at the moment: it stays for them
  std::set<ClientId> forgotten_ MANTA_GUARDED_BY(mutex_);
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::client
