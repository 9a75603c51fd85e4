// What a journal says: Optuna's records (JournalStorage), applied in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <manta/tune/trial_record.h>

namespace manta::tune::detail {

struct StoredTrial {
  TrialRecord record;
  std::int64_t id = 0;                 // of the journal, which counts the trials of all its studies
  bool own = false;                    // made by a Manta program, or taken from the queue by one; else by Optuna
  bool queued = false;                 // made to be run by any program (Study.enqueue_trial)
  bool waiting = false;                // queued, and no program has marked it running yet
  std::map<std::string, Value> fixed;  // of a queued one: values that it is to have
  std::unordered_map<std::string, std::size_t> places{};  // of its parameters, by name
};

/// One study of a journal's file. A file may hold several; records of the others are skipped.
///
/// **Threading**: one thread. **Errors**: read() throws Error(invalid_argument), which names the file and the line, for
/// a line that is no record; choose() for a study that this library cannot run.
class JournalReader {
 public:
  explicit JournalReader(std::filesystem::path path) : path_(std::move(path)) {}

  /// Whole lines. Returns the study's trials that they make or change, by number, each once. Before choose() none.
  std::vector<std::int64_t> read(std::string_view lines);
  /// Settles which study is meant: the only one, or of several that with this name. False: there is none.
  bool choose(std::string_view name);

  /// Of the chosen study.
  std::int64_t study() const { return study_; }
  /// At least one. A metric is empty where it is not said, as in a study that Optuna made.
  const std::vector<Objective>& objectives() const { return chosen().objectives; }
  std::size_t size() const { return chosen().trials.size(); }
  StoredTrial& trial(std::int64_t number) { return chosen().trials[static_cast<std::size_t>(number)]; }
  /// The reports that were read since the last call, of all trials, in order.
  std::vector<std::pair<std::int64_t, Intermediate>> take_reports() { return std::exchange(reports_, {}); }

  /// This program has written the record that makes the study, or its next trial.
  void made_study(std::string_view name, const std::vector<Objective>& objectives);
  void made_trial(std::int64_t number);
  /// It has written so many lines.
  void skip(std::size_t lines) { line_ += lines; }

 private:
  struct StoredStudy {
    std::string name;
    std::vector<Objective> objectives;
    bool deleted = false;
    std::vector<StoredTrial> trials;
  };
  struct Records;  // how each is applied

  const StoredStudy& chosen() const { return studies_[static_cast<std::size_t>(study_)]; }
  StoredStudy& chosen() { return studies_[static_cast<std::size_t>(study_)]; }
  std::int64_t add_study(std::string_view name, std::vector<Objective> objectives);
  StoredTrial& add_trial(std::int64_t study);

  std::filesystem::path path_;
  std::size_t line_ = 0;  // that were read
  std::vector<StoredStudy> studies_;
  std::vector<std::pair<std::int64_t, std::int64_t>> ids_;  // of each trial of the file: its study, its number there
  std::int64_t study_ = -1;
  std::vector<std::pair<std::int64_t, Intermediate>> reports_;
};

}  // namespace manta::tune::detail
