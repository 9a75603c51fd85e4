// Interface for early-stopping algorithms, and those that there are.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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

/// For PercentileStopping. The defaults are Optuna's.
struct PercentileOptions {
  double percentile = 50;  ///< of the complete trials, as many percent are good enough; 50: Optuna's MedianPruner
  std::int64_t startup_trials = 5;  ///< complete trials before one is stopped
  std::int64_t grace_period = 0;    ///< a trial is not stopped before that iteration
  std::int64_t interval = 1;        ///< iterations from one check to the next, from grace_period on
  std::int64_t min_trials = 1;      ///< complete trials that must have reported that iteration
};

/// Stops a trial whose best report so far is not among the best `percentile` percent of what complete trials reported
/// in the same iteration: Optuna's PercentilePruner. The percentile is NumPy's. A trial is looked at in its first
/// report in each interval.
///
/// A report costs O(log n) of the complete trials. **Errors**: the constructor throws Error(invalid_argument).
class PercentileStopping : public Scheduler {
 public:
  explicit PercentileStopping(PercentileOptions options = {});
  ~PercentileStopping() override;
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;
  void on_end(const TrialRecord& trial) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For ThresholdStopping.
struct ThresholdOptions {
  Mode mode = Mode::min;        ///< TunerConfig's
  std::optional<double> lower;  ///< of the metric; below it a trial is stopped
  std::optional<double> upper;  ///< above it a trial is stopped
  std::int64_t grace_period = 0;
  std::int64_t interval = 1;  ///< as in PercentileOptions
};

/// Stops a trial that reports NaN or a metric outside two limits: Optuna's ThresholdPruner. Of no limit, or of lower
/// above upper, the constructor throws Error(invalid_argument).
class ThresholdStopping : public Scheduler {
 public:
  explicit ThresholdStopping(ThresholdOptions options);
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  ThresholdOptions options_;
  std::unordered_map<std::int64_t, std::int64_t> last_;  // iteration, by trial
};

/// For PatientStopping.
struct PatientOptions {
  std::int64_t patience = 0;  ///< reports in a row without a better one before a trial may be stopped
  double min_delta = 0;       ///< by which a report must be better to count
};

/// Lets another scheduler stop a trial only once that has not got better for a while: Optuna's PatientPruner. Without
/// another scheduler it stops each such trial. The other scheduler sees all reports; its decision `stop` counts only
/// then.
///
/// **Ownership**: shares the other scheduler. **Errors**: the constructor throws Error(invalid_argument).
class PatientStopping : public Scheduler {
 public:
  PatientStopping(std::shared_ptr<Scheduler> other, PatientOptions options);
  ~PatientStopping() override;
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;
  void on_end(const TrialRecord& trial) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For WilcoxonStopping. The defaults are Optuna's.
struct WilcoxonOptions {
  Mode mode = Mode::min;  ///< TunerConfig's
  double p_threshold = 0.1;
  std::int64_t startup_reports = 2;  ///< that a trial must have in common with the best one
};

/// For trials that report their result on one problem after the other (folds, instances), `training_iteration` being
/// the problem's number: stops a trial once a signed-rank test says that it is worse than the best complete trial on
/// the same problems, unless its mean is better than that trial's: Optuna's WilcoxonPruner, with SciPy's p-values
/// (`zsplit`; exact up to 50 problems without ties and up to 13 with ties, else normal). Trials that have reported NaN
/// or infinities are not stopped, and stop none.
///
/// **Errors**: the constructor throws Error(invalid_argument).
class WilcoxonStopping : public Scheduler {
 public:
  explicit WilcoxonStopping(WilcoxonOptions options = {});
  ~WilcoxonStopping() override;
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;
  void on_end(const TrialRecord& trial) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For HyperBand. The defaults are Optuna's.
struct HyperBandOptions {
  std::int64_t min_t = 1;    ///< iterations before the first rung of the first bracket
  std::int64_t max_t = 100;  ///< iterations at which a trial is complete
  std::int64_t reduction_factor = 3;
  std::int64_t bootstrap_trials = 0;  ///< that stop at a rung, before one goes on
  std::uint64_t seed = 0;             ///< of the choice of a trial's bracket
};

/// HyperBand (Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2018) without
/// waits, as Optuna's HyperbandPruner: the brackets 0 to log(max_t / min_t) begin to stop trials at min_t *
/// reduction_factor^bracket, each by itself; a trial's bracket depends on seed and number, in HyperBand's proportions.
/// At the rungs of its bracket a trial goes on if it is among the best 1 / reduction_factor of those that came there,
/// or the best of fewer. BracketSearcher makes BOHB of it.
///
/// A report costs O(log n) of the trials at its rung. **Errors**: the constructor throws Error(invalid_argument).
class HyperBand : public Scheduler {
 public:
  explicit HyperBand(HyperBandOptions options = {});
  ~HyperBand() override;
  int brackets() const;
  int bracket_of(std::int64_t trial) const;
  Decision on_report(const TrialRecord& trial, std::int64_t iteration, double score) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace manta::tune
