#include "train/ddp/joining.h"

#include <utility>

#include <manta/error.h>

#include "train/ddp/divergence.h"

namespace manta::train::detail {

Joining::Joining(c10::intrusive_ptr<c10d::ProcessGroup> group, const JoinOptions& options)
    : group_(std::move(group)), options_(options) {}

Round Joining::exchange(std::int64_t parts) {
  std::vector<at::Tensor> all{at::zeros({group_->getSize()}, at::kLong)};
  all[0][group_->getRank()] = parts;
  group_->allreduce(all)->wait();
  Round round;
  for (int rank = 0; rank < group_->getSize(); ++rank) {
    const auto each = all[0][rank].item<std::int64_t>();
    (each != 0 ? round.active : round.ended).push_back(rank);
    round.parts |= each;
  }
  if (!round.active.empty()) furthest_ = round.active.back();
  if (!options_.divide_by_initial_world_size && !round.active.empty()) {
    factor_ = static_cast<double>(group_->getSize()) / static_cast<double>(round.active.size());
  }
  if (options_.throw_on_early_termination && !round.active.empty() && !round.ended.empty()) {
    throw Error(ErrorCode::cancelled,
                "DistributedDataParallel::join: " + ranks_text(round.ended) + " of " +
                    std::to_string(group_->getSize()) +
                    " has no inputs left, and JoinOptions::throw_on_early_termination "
                    "is set. Next: catch this on all ranks to end the epoch, or leave that option out.");
  }
  return round;
}

}  // namespace manta::train::detail
