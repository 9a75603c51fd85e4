// A study: its trials, their configurations, reports and decisions. The workers are the Crew's.
//
// STUDY-1: a configuration depends on the trial's number and on trials that ended before it was made, not on workers.
// STUDY-2: a configuration is journalled before its trial's reports and end, these before another trial is made after
//          them.
//          Trials of other programs are known before one is made, and none of theirs is made in between.
// STUDY-3: a worker may die with a batch of several trials: those that had not ended run again, each alone. Only the
//          death of a worker with one trial
//          counts as that trial's failure.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <manta/tune/detail/launch.h>
#include <manta/tune/tuner.h>

#include "tune/space/grid_walk.h"
#include "tune/storage/journal.h"
#include "tune/storage/study_folder.h"
#include "tune/storage/trial_tables.h"

namespace manta::tune::detail {

struct Counts {
  std::int64_t complete = 0, stopped = 0, failed = 0, running = 0;
  std::int64_t ended() const { return complete + stopped + failed; }
};

// Threading: one thread. Ownership: of the study's files. Errors: the constructor throws Error(invalid_argument);
// making a trial throws what the space function and the searcher throw.
class Study {
 public:
  // Makes the study, or goes on with the one that is there. `program` outlives it.
  Study(const TunerConfig& tuner, const RunConfig& run, const Program& program);

  // Up to `most` trials to be run together; none: all are under way, or have ended.
  std::vector<Assignment> take(std::size_t most);
  // Whether take() has nothing, and will not unless a trial comes back.
  bool exhausted();

  Decision report(const SentReport& sent);
  void end(Ended ended);
  // It was not begun.
  void give_back(std::int64_t number);
  // Its process died. alone: no other trial was with it.
  void lost(std::int64_t number, bool alone, const std::string& why);

  void flush_journal() { apply(journal_.flush()); }
  void flush_tables() { tables_->flush(trials_); }
  // Why no more trials are to be run, by the limits of the configuration; empty: there is no reason.
  std::string why_enough(std::chrono::nanoseconds run_for) const;
  Outcome finish(bool interrupted, std::string why_ended, double seconds);

  // At least one.
  const std::vector<Objective>& objectives() const { return objectives_; }
  bool learns() const { return searcher_->learns(); }
  bool decides() const { return scheduler_ != nullptr; }
  Counts counts() const;
  // Trials in all, with those of other programs that are known so far; nothing while grids make the number unknown.
  std::optional<std::int64_t> total() const;
  const TrialRecord* best() const { return best_ < 0 ? nullptr : &trials_[static_cast<std::size_t>(best_)]; }
  const TrialRecord& trial(std::int64_t number) const { return trials_[static_cast<std::size_t>(number)]; }
  const StudyFolder& folder() const { return folder_; }
  const TunerConfig& config() const { return tuner_; }

 private:
  // What is known of a trial beside its record.
  struct Course {
    int failures = 0;
    bool alone = false;
    bool again = false;
    bool foreign = false;  // another program's: this one only looks on
  };

  bool may_make();
  void make(std::size_t most);
  void make_next();
  void run_queued(std::int64_t number);
  // Calls the space function. stored: what the trial had, null for a new one; ended: it is only to be shown.
  void configure(TrialRecord& trial, Searcher& searcher, const StoredTrial* stored, bool ended);
  // Takes over what the journal says of these trials, which other programs, or earlier runs, have made or changed.
  void apply(const std::vector<std::int64_t>& changed);
  // The same for one; whether it has ended by that.
  bool look_at(std::int64_t number);
  void replay_own(StoredTrial& stored);
  Assignment assignment_of(std::int64_t number);
  History history() const;
  // What the journal's study is for must be what this one is for.
  void require_same_aim();
  double score_of(double value) const { return tuner_.mode == Mode::min ? -value : value; }
  bool better(const TrialRecord& trial, const TrialRecord& than) const;
  void consider(const TrialRecord& trial);
  TrialRecord& record(std::int64_t number) { return trials_[static_cast<std::size_t>(number)]; }
  Course& course(std::int64_t number) { return courses_[static_cast<std::size_t>(number)]; }

  TunerConfig tuner_;
  RunConfig run_;
  std::vector<Objective> objectives_;  // the first one is tuner_.metric and mode
  std::vector<Mode> modes_;
  const Program& program_;
  StudyFolder folder_;
  std::shared_ptr<Searcher> searcher_;
  std::shared_ptr<Scheduler> scheduler_;
  Journal journal_;
  std::unique_ptr<TrialTables> tables_;
  std::vector<TrialRecord> trials_;
  std::vector<Course> courses_;
  std::deque<std::int64_t> waiting_;  // made, to be run
  std::set<std::int64_t> queued_;     // by another program, to be run by any
  GridWalk grids_;
  bool exhausted_ = false;       // the searcher has nothing more to suggest
  std::int64_t samples_ = 0;     // repetitions of the grid that were made; without grids trials
  std::int64_t walked_ = 0;      // trials of the grids
  std::int64_t per_sample_ = 0;  // those of the first repetition; 0: not known
  std::int64_t extra_ = 0;       // queued trials, taken, that are no sample
  Counts ended_;                 // without running
  // Trials of other programs, queued ones included that were not taken; of them those that have ended.
  std::int64_t foreign_ = 0, foreign_ended_ = 0;
  std::ptrdiff_t best_ = -1;
  std::int64_t no_better_ = 0;  // trials that have ended since the best one
};

}  // namespace manta::tune::detail
