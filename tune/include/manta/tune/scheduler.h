// Interface for early-stopping algorithms, and two of them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <manta/tune/trial_record.h>

namespace manta::tune {

/// A scheduler's decision after a report.
enum class Decision : std::uint8_t {
  go_on,
  stop,    ///< it will not be among the best
  finish,  ///< it has had all that a trial may have: it ends, and counts as complete
};

/// The interface of an algorithm that looks at reports.
///
/// Scores that are not finite have one meaning for every scheduler: NaN and -infinity are worse than every number,
/// +infinity is better than every number.
///
/// **Threading**: fit() calls it, in its thread, with the reports of all trials as they come. Those of trials that
/// another program runs in the same journal are among them; decisions about them are ignored.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// A trial has reported. `score` is the metric, with its sign changed where the mode is min: more is better. A study
  /// that is resumed passes all reports that were made before, and ignores these decisions. A trial that is run again
  /// may report an iteration a second time.
  virtual Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) = 0;
  /// The trial has ended, by itself or not.
  virtual void on_end(const TrialRecord& trial) { (void)trial; }
};

namespace detail {

/// A quantile of a growing set of numbers, in O(log n) for each: NumPy's, linear between the two nearest. Between a
/// finite and an infinite neighbour it is the lower one, so that it is never NaN.
///
/// **Threading**: one thread.
class GrowingQuantile {
 public:
  /// `share` is in [0, 1].
  explicit GrowingQuantile(double share) : share_(share) {}

  void add(double value);
  /// Takes out one number that was added.
  void remove(double value);
  bool empty() const { return low_.empty(); }
  std::size_t size() const { return low_.size() + high_.size(); }
  /// Of at least one number.
  double value() const;

 private:
  void balance();

  double share_;
  std::multiset<double> low_, high_;  // all up to the quantile's lower neighbour; the rest
};

}  // namespace detail

/// For Asha.
struct AshaOptions {
  std::int64_t max_t = 100;       ///< iterations at which a trial is complete
  std::int64_t grace_period = 1;  ///< it is not stopped before
  double reduction_factor = 4;    ///< one in so many goes on from each rung to the next
  int brackets = 1;               ///< each with a grace period reduction_factor times that of the one before
  std::uint64_t seed = 0;         ///< of the choice of a trial's bracket
};

/// Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2018), with the
/// rule of Ray Tune's ASHAScheduler: at the rungs grace_period, grace_period * reduction_factor, and so on, a trial
/// goes on if it is not below the (1 - 1/reduction_factor) quantile of those that came there before. NaN and -infinity
/// are left out of the quantile, and are below it.
///
/// A report costs O(log n) of the trials at its rung. **Errors**: the constructor throws Error(invalid_argument).
class Asha : public Scheduler {
 public:
  explicit Asha(AshaOptions options = {});
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  struct Rung {
    double at;
    detail::GrowingQuantile cutoff;
    std::unordered_set<std::int64_t> trials;  // that came here
  };
  using Bracket = std::vector<Rung>;  // the highest first

  Bracket& bracket_of(std::int64_t trial);

  AshaOptions options_;
  std::vector<Bracket> brackets_;
};

/// For MedianStopping.
struct MedianStoppingOptions {
  std::int64_t grace_period = 1;          ///< iterations; earlier reports neither stop a trial nor count
  std::int64_t min_samples_required = 3;  ///< other trials that must have got as far
};

/// Stops a trial whose best report is below the median of the running means of others at the same iteration (Golovin et
/// al., "Google Vizier", 2017), with the rule of Ray Tune's MedianStoppingRule, over iterations in place of seconds. A
/// trial that reported NaN or -infinity has a running mean of -infinity from then on.
///
/// A report costs O(log n) of the trials, where trials report the same iterations.
class MedianStopping : public Scheduler {
 public:
  explicit MedianStopping(MedianStoppingOptions options = {});
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  // Of a trial: its best score, and the sum and number of those that count for its mean, after each iteration.
  struct Point {
    double score = 0, best = 0, sum = 0;
    std::int64_t count = 0;
  };
  using Course = std::map<std::int64_t, Point>;

  // The mean at that iteration, from the last report up to it; NaN where none counts.
  static double mean_at(const Course& course, std::int64_t iteration);
  void forget_from(Course& course, std::int64_t iteration);

  MedianStoppingOptions options_;
  std::unordered_map<std::int64_t, Course> courses_;         // by trial, by iteration
  std::map<std::int64_t, detail::GrowingQuantile> medians_;  // at each iteration, of the trials that got as far
};

}  // namespace manta::tune
