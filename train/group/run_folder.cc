#include "train/group/run_folder.h"

#include <ctime>

#include <manta/error.h>

namespace manta::train::detail {

namespace {

std::string name_of(const RunConfig& config) {
  if (!config.name.empty()) return config.name;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[64];
  std::strftime(text, sizeof text, "train_%Y-%m-%d_%H-%M-%S", &local);
  return text;
}

std::filesystem::path make_folder(const RunConfig& config) {
  const std::filesystem::path folder = std::filesystem::absolute(config.storage_path) / name_of(config);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::invalid_argument, "Trainer: cannot make the run's folder " + folder.string() + ": " +
                error.message() + ". Next: name another RunConfig::storage_path or name.");
  }
  return folder;
}

}  // namespace

RunFolder::RunFolder(const RunConfig& config)
    : path_(make_folder(config)), checkpoints_(path_, config.checkpoint), log_(path_) {
  if (const auto latest = checkpoints_.latest(); latest && !config.resume) {
    throw Error(ErrorCode::invalid_argument, "Trainer: " + path_.string() + " has checkpoints of an earlier run. Next: "
                "set RunConfig::resume to go on from " + latest->folder().filename().string() + ", or give another name.");
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
