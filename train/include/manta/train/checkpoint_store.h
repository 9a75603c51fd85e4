// The checkpoints of one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <manta/train/checkpoint.h>

namespace manta::train {

enum class ScoreOrder { max, min };

// Which checkpoints of a run stay.
struct CheckpointConfig {
  std::int64_t num_to_keep = 0;              // 0: all
  std::string score_attribute;               // a metric: the best by it are kept; empty: the last ones
  ScoreOrder score_order = ScoreOrder::max;  // whether a large value is good, as accuracy, or a small one, as loss
};

// Folders checkpoint_000000, checkpoint_000001 and so on under the folder of a run. Keeps the num_to_keep best of them
// and deletes the others; the latest is always kept, since a training goes on from it, so that there may be one more
// than num_to_keep. One without the score, or with NaN, is worse than all others; of two equal ones the later is the
// better. Nothing but the folders themselves is remembered: after a crash the same checkpoints are found.
//
//   CheckpointStore store("runs/1", {.num_to_keep = 2, .score_attribute = "accuracy"});
//   if (auto checkpoint = store.latest()) checkpoint->restore(state);
//   ...
//   store.save(state, {.metrics = metrics, .step = step});
//
// Threading: one thread of one process writes in a run's folder; others may read it. Ownership: the folders under
// checkpoint_NUMBER are the store's, which deletes them, and what an interrupted save left (checkpoint_NUMBER.part).
// Errors: those of Checkpoint, and Error(invalid_argument) for a configuration that makes no sense. A folder that is no
// whole checkpoint, damaged by somebody else, is left alone and passed over, with a line on the standard error.
class CheckpointStore {
 public:
  // Makes the folder where there is none.
  explicit CheckpointStore(std::filesystem::path folder, CheckpointConfig config = {});

  // Saves the next number, then deletes what need not stay.
  Checkpoint save(const State& state, const CheckpointDetails& details = {});

  std::optional<Checkpoint> latest() const;
  // By score_attribute; the latest where that is empty. None where no checkpoint has the metric as a number: NaN is never
  // the best. Infinities are ordered as numbers are.
  std::optional<Checkpoint> best() const;
  // From the oldest to the latest.
  std::vector<Checkpoint> all() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  void delete_surplus();

  std::filesystem::path folder_;
  CheckpointConfig config_;
};

}  // namespace manta::train
