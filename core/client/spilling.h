// What a process keeps about its objects that are not in the store at the moment.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include <manta/error.h>

#include "core/base/mutex.h"
#include "core/store/spill_file.h"

namespace manta::client {

// Under the client's lock.
struct Spilling {
  std::unique_ptr<store::SpillFile> file;          // made when first needed
  std::optional<Error> failed;                     // why the last attempt to spill failed
  std::chrono::steady_clock::time_point again_at;  // after a failure, not before
  std::chrono::milliseconds pause{0};              // before that
  std::chrono::steady_clock::time_point asked_at;  // the node, without waiting
};

// Requests to the node that threads wait for, and their answers.
struct SpaceAnswers {
  Mutex mutex;
  CondVar arrived;
  std::map<std::uint64_t, std::optional<std::uint64_t>> answers MANTA_GUARDED_BY(mutex);
  std::uint64_t last_number MANTA_GUARDED_BY(mutex) = 0;
  bool closed MANTA_GUARDED_BY(mutex) = false;  // the node is gone
};

}  // namespace manta::client
