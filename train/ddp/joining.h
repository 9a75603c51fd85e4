// Which ranks of a join still have inputs.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/process_group.h>
#include <manta/train/distributed_data_parallel.h>

namespace manta::train::detail {

/// What a rank does in its next forward and backward; bits of a number. 0: it has no inputs left.
enum Part : std::int64_t { kForward = 1, kRebuildsBuckets = 2, kSendsBuffers = 4, kAverages = 8 };

/// The parts of all ranks in one forward and backward.
struct Round {
  std::vector<int> active, ended;  // ranks
  std::int64_t parts = 0;          // of the active ranks, which all do the same
  bool has(Part part) const { return (parts & part) != 0; }
};

/// Before each forward all ranks exchange their parts, so that ranks without inputs join the others' collectives.
///
/// **Threading**: the model's thread. **Errors**: Error(cancelled) with JoinOptions::throw_on_early_termination.
class Joining {
 public:
  Joining(c10::intrusive_ptr<c10d::ProcessGroup> group, const JoinOptions& options);

  /// Collective.
  Round exchange(std::int64_t parts);
  /// The rank with the most steps: the last one that was active in the last round with an active rank.
  int furthest_rank() const { return furthest_; }
  /// The factor of a gradient before the mean over all ranks.
  double factor() const { return factor_; }

 private:
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  JoinOptions options_;
  int furthest_ = 0;
  double factor_ = 1;
};

}  // namespace manta::train::detail
