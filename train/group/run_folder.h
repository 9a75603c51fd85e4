// The folder of a run: its checkpoints, its logs.
#pragma once

#include <filesystem>
#include <optional>

#include <manta/train/checkpoint_store.h>
#include <manta/train/report.h>
#include <manta/train/trainer.h>

namespace manta::train::detail {

// Threading: one thread. Errors: the constructor throws Error(invalid_argument) for an unusable folder, or one that has
// checkpoints if the run does not resume.
class RunFolder {
 public:
  explicit RunFolder(const RunConfig& config);

  const std::filesystem::path& path() const { return path_; }
  const CheckpointStore& checkpoints() const { return checkpoints_; }  // rank 0 writes them
  std::int64_t iterations() const { return log_.iterations(); }
  void record(const Report& report);

 private:
  std::filesystem::path path_;
  CheckpointStore checkpoints_;
  ResultLog log_;
  std::optional<TensorBoardWriter> tensorboard_;
};

}  // namespace manta::train::detail
