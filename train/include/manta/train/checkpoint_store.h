// The checkpoints of one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <manta/train/checkpoint.h>

namespace manta::train {

/// Whether larger or smaller scores are better.
enum class ScoreOrder { max, min };

/// Which checkpoints of a run are kept.
struct CheckpointConfig {
  std::int64_t num_to_keep = 0;              ///< 0: all
  std::string score_attribute;               ///< the metric by which the best are kept; empty: the latest are
  ScoreOrder score_order = ScoreOrder::max;  ///< max for an accuracy, min for a loss
};

/// Folders checkpoint_000000, checkpoint_000001 and so on in a run's folder. Keeps the num_to_keep best and deletes the
/// others. The latest is always kept, since training resumes from it; so there may be one more than num_to_keep.
/// A checkpoint without the score, or with NaN, is the worst; of two equal ones the later is better. The folders are
/// the only record: after a crash the store finds the same checkpoints.
///
///     CheckpointStore store("runs/1", {.num_to_keep = 2, .score_attribute = "accuracy"});
///     if (auto checkpoint = store.latest()) checkpoint->restore(state);
///     ...
///     store.save(state, {.metrics = metrics, .step = step});
///
/// **Threading**: one thread of one process writes in a run's folder; others may read it. **Ownership**: the store owns
/// the folders checkpoint_NUMBER and deletes them, and the remains of an interrupted save (checkpoint_NUMBER.part).
/// **Errors**: those of Checkpoint, and Error(invalid_argument) for an invalid configuration. The store skips a folder
/// that another program has damaged, leaves it as it is, and prints a line to standard error.
class CheckpointStore {
 public:
  /// Creates the folder if it does not exist.
  explicit CheckpointStore(std::filesystem::path folder, CheckpointConfig config = {});

  /// Saves under the next number, then deletes surplus checkpoints. Blocks until the checkpoint is on disk.
  Checkpoint save(const State& state, const CheckpointDetails& details = {});

  /// Empty: the folder holds no checkpoint.
  std::optional<Checkpoint> latest() const;
  /// The best by score_attribute; the latest if that is empty. Empty if no checkpoint has the metric: NaN is never the
  /// best. Infinities are ordered like other numbers.
  std::optional<Checkpoint> best() const;
  /// All checkpoints, oldest first.
  std::vector<Checkpoint> all() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  void delete_surplus();

  std::filesystem::path folder_;
  CheckpointConfig config_;
};

}  // namespace manta::train
