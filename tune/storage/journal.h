// A study in a file: Optuna's journal (JournalStorage with JournalFileBackend), which optuna and optuna-dashboard open.
//
// JOURNAL-1: each record is one line of JSON; a last line without its end was cut when its writer died, and is left
//            out.
// JOURNAL-2: a trial's configuration is in the file before its end is, all of its records before the one that ends it.
// Written without fsync: it survives the death of the program, not that of the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/files/append_file.h>
#include <manta/tune/trial_record.h>

namespace manta::tune::detail {

// What a journal holds.
struct StoredStudy {
  std::string name;
  Mode mode = Mode::min;
  std::string metric;                                          // empty: not said, a study that Optuna made
  std::vector<TrialRecord> trials;                             // by number
  std::vector<std::pair<std::int64_t, Intermediate>> reports;  // of all trials, as they came
  std::uint64_t whole_bytes = 0;                               // of whole records
};

// Errors: throws Error(invalid_argument) for a file that is no such journal, or holds several studies; it names the
// line.
StoredStudy read_journal(const std::filesystem::path& path);

// Collects records and appends them to the file together.
//
// Threading: one thread. Ownership: the file's only writer. Errors: the constructor throws Error; after that the study
// goes on: the first record that cannot be written is said on the standard error.
class Journal {
 public:
  // keep: bytes of whole records that are there.
  Journal(const std::filesystem::path& path, std::uint64_t keep);

  void create_study(std::string_view name, Mode mode, std::string_view metric);
  // The trials' numbers count from 0.
  void create_trial(const TrialRecord& trial);
  // Of a trial that is run again, in a space that has changed.
  void set_param(std::int64_t trial, const Param& param);
  void add_report(std::int64_t trial, const Intermediate& report);
  void end_trial(const TrialRecord& trial, std::string_view metric);
  // What was added so far is in the file when it returns.
  void flush();

 private:
  void begin(int operation);
  void trial_attribute(std::int64_t trial, std::string_view name, const std::string& json);
  const std::string& distribution_text(const Param& param);

  files::AppendFile file_;
  std::string worker_;  // the end of each record
  std::string buffer_;
  // As it was written last, by the parameter's name: few change from one trial to the next.
  std::map<std::string, std::pair<Distribution, std::string>, std::less<>> distributions_;
};

}  // namespace manta::tune::detail
