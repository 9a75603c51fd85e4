// trials.csv and trials.jsonl: one row and one line for each trial that has ended.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <manta/files/append_file.h>
#include <manta/tune/trial_record.h>

namespace manta::tune::detail {

// Both are appended to as trials end, and written anew, by number, when the study does; after a death they are made
// again from the journal. Columns: trial, status, value, seconds, reports, each parameter as param:NAME, each metric as
// metric:NAME, each constraint as constraint:NAME, error. A trial has empty cells for what it does not have.
//
// Threading: one thread. Ownership: it closes its files. Errors: the constructor throws Error; after that the study
// goes on, and what cannot be written is said once on the standard error.
class TrialTables {
 public:
  // Begins both anew, with those of the trials that have ended.
  TrialTables(const std::filesystem::path& folder, const std::vector<TrialRecord>& trials);

  void add(const TrialRecord& trial);
  // What was added so far is in the files when it returns.
  void flush(const std::vector<TrialRecord>& trials);
  // Both by number.
  void rewrite(const std::vector<TrialRecord>& trials);

 private:
  // Columns of one kind, in the order in which they came.
  struct Columns {
    std::vector<std::string> names;
    std::unordered_map<std::string, std::size_t> places;

    bool add(const std::string& name);  // true: it is new
  };

  bool add_columns(const TrialRecord& trial);  // true: there are new ones
  void add_row(const TrialRecord& trial);
  std::string header() const;

  std::filesystem::path folder_;
  Columns params_, metrics_, constraints_;
  std::string rows_, lines_;  // not yet in the files
  bool widened_ = false;      // the file's header lacks columns
  std::unique_ptr<files::AppendFile> csv_, jsonl_;
};

}  // namespace manta::tune::detail
