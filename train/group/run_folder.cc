#include "train/group/run_folder.h"

#include <manta/error.h>
#include <manta/files/file.h>

namespace manta::train::detail {

namespace {

std::filesystem::path make_folder(const RunConfig& config) {
  const std::filesystem::path storage = std::filesystem::absolute(config.storage_path);
  if (config.name.empty()) return files::make_dated_folder(storage, "train");
  files::make_folders(storage / config.name);
  return storage / config.name;
}

}  // namespace

RunFolder::RunFolder(const RunConfig& config)
    : path_(make_folder(config)), checkpoints_(path_, config.checkpoint), log_(path_) {
  if (const auto latest = checkpoints_.latest(); latest && !config.resume) {
    throw Error(ErrorCode::invalid_argument, "Trainer: " + path_.string() +
                                                 " has checkpoints of an earlier run. Next: "
                                                 "set RunConfig::resume to go on from " +
                                                 latest->folder().filename().string() + ", or give another name.");
  }
  if (config.tensorboard) tensorboard_.emplace(path_);
}

void RunFolder::record(const Report& report) {
  log_.add(report.metrics);
  if (!tensorboard_) return;
  const auto step = report.metrics.find("step");
  const auto at = step == report.metrics.end() ? report.iteration : static_cast<std::int64_t>(step->second);
  for (const auto& [name, value] : report.metrics) {
    if (name != "step") tensorboard_->add_scalar(name, value, at);
  }
}

}  // namespace manta::train::detail
