// The folder of a study, used by one program at a time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <manta/tune/trial_record.h>
#include <manta/tune/tuner.h>

namespace manta::tune::detail {

// Threading: one thread. Ownership: the folder is this program's until the end, however that comes. Errors: the
// constructor throws Error(invalid_argument) for a folder that cannot be used, or that another program is using.
class StudyFolder {
 public:
  explicit StudyFolder(const RunConfig& config);
  ~StudyFolder();
  StudyFolder(const StudyFolder&) = delete;
  StudyFolder& operator=(const StudyFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string name() const { return path_.filename().string(); }
  std::filesystem::path journal() const { return path_ / "study.journal"; }

  // TensorBoard's table of trials: what it compares. Takes the place of an earlier one.
  void write_experiment(const std::vector<TrialRecord>& trials, const std::string& metric) const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace manta::tune::detail
