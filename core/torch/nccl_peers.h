// Which collectives the ranks of an NCCL communicator have begun, and whether a rank can still begin the next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <manta/collective.h>

#include "core/base/mutex.h"

namespace manta::collective {

// NCCL does not notice that a rank has left or died. The ranks publish their counts in the shared memory of a group
// beside the communicator: a collective that a lost rank has not begun is never done.
//
// Threading: any thread. Nothing blocks.
class NcclPeers {
 public:
  explicit NcclPeers(std::unique_ptr<Group> group) : group_(std::move(group)) {}

  // This rank begins a collective: its number, from 1.
  std::uint64_t begin();
  // Why the collective with this number is never done: names the rank. Empty: it may be.
  std::optional<Error> lost_before(std::uint64_t number);
  // This rank begins no more.
  void leave();

 private:
  Mutex mutex_;
  std::unique_ptr<Group> group_ MANTA_GUARDED_BY(mutex_);  // null after leave()
  std::uint64_t begun_ MANTA_GUARDED_BY(mutex_) = 0;
};

}  // namespace manta::collective
