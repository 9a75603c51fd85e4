// What a process keeps about its objects that are not in the store at the moment.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <manta/error.h>

#include "core/store/spill_file.h"

namespace manta::client {

struct Spilling {
  // Under the client's lock.
  std::unique_ptr<store::SpillFile> file;          // made when first needed
  std::optional<Error> failed;                     // why the last attempt to spill failed
  std::chrono::steady_clock::time_point again_at;  // after a failure, not before
  std::chrono::milliseconds pause{0};              // before that
  std::chrono::steady_clock::time_point asked_at;  // the node, without waiting

  // Requests to the node that threads wait for, and their answers.
  std::mutex mutex;
  std::condition_variable arrived;
  std::map<std::uint64_t, std::optional<std::uint64_t>> answers;
  std::uint64_t last_number = 0;
  bool closed = false;  // the node is gone
};

}  // namespace manta::client
