// A study in a file: Optuna's journal (JournalStorage with JournalFileBackend), which optuna and optuna-dashboard open,
// and to which Optuna may append while the study runs.
//
// JOURNAL-1: each record is one line of JSON; a last line without its end was cut when its writer died, and is left
//            out.
// JOURNAL-2: a trial's configuration is in the file before its end is, all of its records before the one that ends it.
// JOURNAL-3: a trial's number in the study is that of its record's place among those that make trials: it is settled,
//            and written, under the file's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/tune/trial_record.h>

#include "tune/storage/journal_reader.h"
#include "tune/storage/shared_file.h"

namespace manta::tune::detail {

/// Collects records, and appends them to the file together.
///
/// **Threading**: one thread. **Errors**: the constructor throws Error: invalid_argument for a file that is no journal,
/// or holds no study that a Tuner can run; it names the line. After that the study goes on: the first record that
/// cannot be written is said on the standard error, and records are kept for the next try, up to 256 MiB; beyond that
/// commit() and flush() throw Error(exhausted).
class Journal {
 public:
  /// Opens or makes the file. `study`: the name that it has, or is to have, where the file holds several.
  Journal(const std::filesystem::path& path, std::string_view study);

  /// What the file said when it was opened, and has said since. Without a study at first, if there is none.
  JournalReader& known() { return reader_; }
  /// Whether the file holds the study, or create_study was called.
  bool has_study() const { return reader_.study() >= 0; }

  /// The time in which this program alone may write. Records are written by commit(); without it those that were added
  /// meanwhile are dropped.
  class Turn {
   public:
    explicit Turn(Journal& journal);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    /// Trials of the study that other programs have made or changed since the last time.
    const std::vector<std::int64_t>& changed() const { return changed_; }
    void commit();

   private:
    Journal& journal_;
    std::vector<std::int64_t> changed_;
    std::size_t before_ = 0;  // bytes that were waiting
    bool committed_ = false;
  };

  void create_study(std::string_view name, const std::vector<Objective>& objectives);
  /// The study's next trial. In a turn.
  void create_trial(const TrialRecord& trial);
  /// Takes a queued trial: this program runs it. In a turn.
  void take_queued(std::int64_t trial);
  /// Of a trial that is run again in a space that has changed, or of one that was queued.
  void set_param(std::int64_t trial, const Param& param);
  void add_report(std::int64_t trial, const Intermediate& report);
  void end_trial(const TrialRecord& trial, std::string_view metric);
  /// Writes what was added so far. Returns the trials that other programs have made or changed; none where there was
  /// nothing to write.
  [[nodiscard]] std::vector<std::int64_t> flush();

 private:
  void begin(int operation);
  void of_trial(int operation, std::int64_t trial);
  void trial_attribute(std::int64_t trial, std::string_view name, const std::string& json);
  const std::string& distribution_text(const Param& param);

  SharedFile file_;
  JournalReader reader_;
  std::string worker_;  // the end of each record
  std::string buffer_;
  bool unwritten_trials_ = false;  // a turn ended with records of new trials that could not be written
  // As it was written last, by the parameter's name: few change from one trial to the next.
  std::map<std::string, std::pair<Distribution, std::string>, std::less<>> distributions_;
};

}  // namespace manta::tune::detail
