// A run's reports in files that people and their tools read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include <manta/error.h>
#include <manta/report/metrics.h>

namespace manta::report {

/// Ray's layout: for each report one line of JSON in result.json, and one row in progress.csv.
///
/// Each report gets training_iteration (1, 2, 3 and so on, over restarts too), timestamp (seconds since 1970) and
/// time_total_s (since the log was opened, added to what an earlier run of it had) unless it brings them itself.
/// progress.csv has a column for each metric of the first report, in alphabetical order. A metric that comes later gets
/// a new column at the end: the file is written anew with it (and replaced in one step), earlier rows have an empty
/// cell there. NaN and infinity are NaN, Infinity and -Infinity in JSON, as Python reads and writes them.
///
///     ResultLog log("runs/1");
///     log.add({{"epoch", 1}, {"loss", 0.31}});
///
/// **Threading**: one thread at a time. **Ownership**: one log writes in a folder. **Errors**: the constructor throws
/// Error where the files cannot be made, or are no such files. After that a run does not stop for its log: the first
/// time that writing fails (disk full) prints one line on the standard error and is kept in error(); that report is
/// lost in the file, later ones are tried again.
class ResultLog {
 public:
  /// Makes the folder where there is none, and goes on in the files of an earlier run. Of that it keeps what came
  /// before the first report with a training_iteration above `keep`: such reports are going to be made again.
  explicit ResultLog(const std::filesystem::path& folder, std::int64_t keep = INT64_MAX);
  ResultLog(ResultLog&&) noexcept;
  ResultLog& operator=(ResultLog&&) noexcept;
  ~ResultLog();

  /// In the files when it returns (not fsynced).
  void add(const Metrics& metrics);

  /// Reports so far, those of earlier runs too.
  std::int64_t iterations() const;
  /// The first failure; empty as long as all is well.
  const std::optional<Error>& error() const;

 private:
  struct Files;
  std::unique_ptr<Files> files_;
};

}  // namespace manta::report
