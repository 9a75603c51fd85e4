#include "core/torch/nccl_peers.h"

#include "core/collective/transport.h"

namespace manta::collective {

std::uint64_t NcclPeers::begin() {
  const MutexLock lock(mutex_);
  ++begun_;
  if (group_) group_->transport().set_begun(begun_);
  return begun_;
}

std::optional<Error> NcclPeers::lost_before(std::uint64_t number) {
  const MutexLock lock(mutex_);
  return group_ ? group_->transport().lost_before(number) : std::nullopt;
}

void NcclPeers::leave() {
  const MutexLock lock(mutex_);
  group_.reset();
}

}  // namespace manta::collective
