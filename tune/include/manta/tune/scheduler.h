// Who stops trials that promise little.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include <manta/tune/trial_record.h>

namespace manta::tune {

enum class Decision : std::uint8_t {
  go_on,
  stop,    // it will not be among the best
  finish,  // it has had all that a trial may have: it ends, and counts as complete
};

// The interface of an algorithm that looks at reports.
//
// Threading: called by fit(), in its thread; reports of all trials as they come.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // A trial has reported. score: the metric, with its sign changed where the mode is min: more is better. When a study
  // is resumed it is told of all reports that were made before, whose decisions are known; a trial that is run again
  // may report an iteration anew.
  virtual Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) = 0;
  // It has ended, by itself or not.
  virtual void on_end(const TrialRecord& trial) { (void)trial; }
};

struct AshaOptions {
  std::int64_t max_t = 100;       // iterations at which a trial is complete
  std::int64_t grace_period = 1;  // it is not stopped before
  double reduction_factor = 4;    // one in so many goes on from each rung to the next
  int brackets = 1;               // each with a grace period reduction_factor times that of the one before
  std::uint64_t seed = 0;         // of the choice of a trial's bracket
};

// Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2018), with the
// rule of Ray Tune's ASHAScheduler: at the rungs grace_period, grace_period * reduction_factor, and so on, a trial goes
// on if it is not below the (1 - 1/reduction_factor) quantile of those that came there before.
//
// Errors: the constructor throws Error(invalid_argument).
class Asha : public Scheduler {
 public:
  explicit Asha(AshaOptions options = {});
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  struct Rung {
    double at;
    std::map<std::int64_t, double> scores;  // by trial
  };
  using Bracket = std::vector<Rung>;  // the highest first

  Bracket& bracket_of(std::int64_t trial);

  AshaOptions options_;
  std::vector<Bracket> brackets_;
};

struct MedianStoppingOptions {
  std::int64_t grace_period = 1;          // iterations; earlier reports neither stop a trial nor count
  std::int64_t min_samples_required = 3;  // other trials that must have got as far
};

// Stops a trial whose best report is below the median of the running means of others at the same iteration (Golovin et
// al., "Google Vizier", 2017), with the rule of Ray Tune's MedianStoppingRule, over iterations in place of seconds.
class MedianStopping : public Scheduler {
 public:
  explicit MedianStopping(MedianStoppingOptions options = {});
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  MedianStoppingOptions options_;
  std::map<std::int64_t, std::map<std::int64_t, double>> scores_;  // by trial, by iteration
};

}  // namespace manta::tune
