#include "tune/storage/study_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <variant>

#include <manta/error.h>
#include <manta/files/file.h>
#include <manta/report/tensorboard.h>

namespace manta::tune::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEvents = "events.out.tfevents.";

// The study's folder, made if need be. Without a name the study gets a folder that no other study has.
fs::path make_folder(const RunConfig& config) {
  const fs::path storage = fs::absolute(config.storage_path);
  if (config.name.empty()) return files::make_dated_folder(storage, "tune");
  files::make_folders(storage / config.name);
  return storage / config.name;
}

report::HParam hparam_of(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  return std::get<double>(value);
}

}  // namespace

StudyFolder::StudyFolder(const RunConfig& config) : path_(make_folder(config)) {
  const fs::path lock = path_ / ".lock";
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) throw files::file_error(lock, "cannot be made", errno);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw Error(ErrorCode::invalid_argument, "Tuner: the study in " + path_.string() +
                                                 " is being run by another program. "
                                                 "Next: wait for its end, or give another RunConfig::name.");
  }
}

StudyFolder::~StudyFolder() { ::close(lock_); }

void StudyFolder::write_experiment(const std::vector<TrialRecord>& trials, const std::string& metric) const {
  std::map<std::string, report::HParam> found;
  for (const TrialRecord& trial : trials) {
    for (const Param& param : trial.params) found.try_emplace(param.name, hparam_of(param.value()));
  }
  std::vector<fs::path> before;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    if (entry.path().filename().string().starts_with(kEvents)) before.push_back(entry.path());
  }
  try {
    report::TensorBoardWriter board(path_);
    board.add_experiment(name(), {found.begin(), found.end()}, {metric});
    board.flush();
    for (const fs::path& file : before) {
      if (file != board.path()) fs::remove(file, ignored);
    }
  } catch (const Error& error) {
    std::fprintf(stderr, "manta: %s The study goes on without TensorBoard's table.\n", error.what());
  }
}

}  // namespace manta::tune::detail
