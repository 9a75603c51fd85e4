// What a trial that reports leaves for people: a folder with its parameters, its reports, its curves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <manta/report/result_log.h>
#include <manta/report/tensorboard.h>
#include <manta/tune/detail/launch.h>

namespace manta::tune::detail {

// STUDY/trial_00007
std::filesystem::path trial_folder(const std::filesystem::path& study, std::int64_t number);

// Threading: one thread. Ownership: one worker writes in a trial's folder. Errors: none but those of folder(): a study
// does not stop for its logs; what cannot be written is said once, on the standard error, and left out.
class TrialFiles {
 public:
  TrialFiles(const WorkerSetup& setup, const Assignment& assignment);

  // Makes it. Throws Error where it cannot be made.
  const std::filesystem::path& folder();
  // The first one opens the files; of an earlier attempt they keep what came before this iteration.
  void report(std::int64_t iteration, const Metrics& metrics);
  // What came before the first report of this attempt, and stays in the files.
  std::vector<SentReport> take_earlier() { return std::exchange(earlier_, {}); }
  void end(bool good);

 private:
  void open(std::int64_t iteration);
  void read_earlier(std::int64_t iteration);

  const WorkerSetup& setup_;
  const Assignment& assignment_;
  std::filesystem::path folder_;
  bool made_ = false;
  bool tried_ = false;
  std::vector<SentReport> earlier_;
  std::optional<report::ResultLog> log_;
  std::optional<report::TensorBoardWriter> board_;
};

}  // namespace manta::tune::detail
