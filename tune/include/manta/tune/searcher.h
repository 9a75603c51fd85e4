// Search algorithms, which choose the values of parameters.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <manta/tune/trial_record.h>

namespace manta::tune {

/// What a searcher knows of its study when it chooses.
struct History {
  /// By number, from 0: those that have ended, those that run (they have params and no value), and those that another
  /// program has queued (without params). Valid until the configuration is made.
  std::span<const TrialRecord> trials;
  Mode mode = Mode::min;          ///< of the first objective
  std::span<const Mode> modes{};  ///< of each objective, where there are several
};

/// Interface for search algorithms. They do not choose the values of grids.
///
/// A searcher that chooses jointly does so in begin(), and suggest() hands the values out. What it returns depends on
/// its options, the trial's number and the history: then a study that was interrupted goes on as if it had not been.
/// State that it keeps between calls must be what the history would give again.
///
/// **Threading**: fit() and AskTell call it, one thread at a time. **Errors**: what it throws ends the study.
class Searcher {
 public:
  virtual ~Searcher() = default;

  /// A configuration is about to be made; trial has its number and no params yet.
  virtual void begin(const History& history, const TrialRecord& trial) { (void)history, (void)trial; }
  /// The value of a parameter of the trial, whose params are those that it has so far: a number as Distribution
  /// describes it.
  virtual double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) = 0;
  /// Whether it suggests better the more trials have ended. Else configurations are made ahead: where trials are short,
  /// workers get several at once.
  virtual bool learns() const { return true; }
  /// Whether it has nothing more to suggest: then the study makes no more trials.
  virtual bool exhausted(const History& history) {
    (void)history;
    return false;
  }
};

/// Independent draws. They depend on the seed, the trial's number and the parameter's name, and on nothing else: any
/// number of workers, and a study that was interrupted, see the same configurations.
class RandomSearcher : public Searcher {
 public:
  explicit RandomSearcher(std::uint64_t seed = 0) : seed_(seed) {}
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;
  bool learns() const override { return false; }

 private:
  std::uint64_t seed_;
};

/// The points of a Halton sequence (Halton, 1960), scrambled by a random permutation of the digits of each base: they
/// fill the space more evenly than random draws. The n-th parameter of a study, by the order in which trials asked for
/// it first, has the n-th prime for its base.
///
/// **Threading**, **Errors**: as Searcher.
class HaltonSearcher : public Searcher {
 public:
  explicit HaltonSearcher(std::uint64_t seed = 0);
  ~HaltonSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;
  bool learns() const override { return false; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The points of a Sobol sequence (Joe and Kuo, 2008) with Owen's scrambling (1995): the first 2^k trials have each of
/// the 2^k parts of every range once, and pairs of parameters are covered nearly as evenly. The n-th parameter of a
/// study, by the order in which trials asked for it first, is the n-th coordinate.
///
/// **Threading**: as Searcher. **Errors**: the 65th parameter throws Error(invalid_argument): HaltonSearcher takes any
/// number.
class SobolSearcher : public Searcher {
 public:
  explicit SobolSearcher(std::uint64_t seed = 0);
  ~SobolSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;
  bool learns() const override { return false; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Every configuration of a space of integers and choices once, in an order drawn by the seed, also where parameters
/// depend on others; then the study ends, if it has not had num_samples before. A configuration counts as tried once a
/// trial has it, failed ones too. Where the space has grids, each of their combinations has its own configurations.
///
/// A suggestion costs O(log n) for n trials, and O(n) for the values of one parameter that n trials have tried.
///
/// **Threading**: as Searcher. **Errors**: a real parameter throws Error(invalid_argument).
class BruteForceSearcher : public Searcher {
 public:
  explicit BruteForceSearcher(std::uint64_t seed = 0);
  ~BruteForceSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;
  bool learns() const override { return false; }
  bool exhausted(const History& history) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For TpeSearcher. The defaults are Optuna's.
struct TpeOptions {
  std::int64_t startup_trials = 10;  ///< drawn at random, before the search begins
  int candidates = 24;               ///< points that are drawn and compared for each trial
  /// Whether parameters that all trials have are chosen together, so that what belongs together is found. Parameters
  /// that only some trials have (conditional ones) are chosen one by one, from the trials that have them. Not given:
  /// true for one objective, false for several, as in Optuna.
  std::optional<bool> multivariate;
  /// Whether trials that run count as bad ones, so that workers do not try the same.
  bool constant_liar = true;
  std::uint64_t seed = 0;
};

/// The tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011), with
/// the estimator and the constants of Optuna's TPESampler (Watanabe, arXiv 2304.11127): the best tenth of the trials,
/// at most 25, and the others each give a density; of the points drawn from the first, the one with the largest
/// quotient is taken. Works on reals, integers and choices, with and without logarithm.
///
/// With several objectives (Ozaki et al., "Multiobjective Tree-Structured Parzen Estimator", 2022) the best tenth are
/// the first fronts of the trials that no other dominates, and of the front that does not fit those with the largest
/// common hypervolume, chosen one by one. Trials that break constraints are the worst, by their violation.
///
/// A suggestion costs O(n * parameters * candidates) for n trials.
///
/// **Threading**: as Searcher. **Errors**: the constructor throws Error(invalid_argument).
///
///     auto searcher = std::make_shared<manta::tune::TpeSearcher>(manta::tune::TpeOptions{.seed = 1});
class TpeSearcher : public Searcher {
 public:
  explicit TpeSearcher(TpeOptions options = {});
  ~TpeSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For CmaEsSearcher.
struct CmaEsOptions {
  int population = 0;      ///< trials of a generation; 0: 4 + 3 ln(parameters)
  double sigma = 1.0 / 6;  ///< step size at first, as a part of each range
  /// Whether a search that has converged begins again elsewhere with twice the population (IPOP; Auger and Hansen,
  /// 2005).
  bool restarts = true;
  std::uint64_t seed = 0;
};

/// Covariance matrix adaptation (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772), with its default
/// constants and active (negative) weights. It searches the reals and integers that all trials have, in the unit cube
/// (logarithmic ranges by their logarithm); an integer keeps enough spread to reach its neighbours. Choices, and
/// parameters that only some trials have, are drawn at random. The first trial is drawn at random, to see what the
/// parameters are.
///
/// With several workers a generation is complete once as many trials have ended as it has, whichever they are.
///
/// **Threading**: as Searcher. **Errors**: the constructor throws Error(invalid_argument), and begin() for a study of
/// several objectives.
class CmaEsSearcher : public Searcher {
 public:
  explicit CmaEsSearcher(CmaEsOptions options = {});
  ~CmaEsSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For GpSearcher.
struct GpOptions {
  std::int64_t startup_trials = 10;  ///< drawn at random, before the search begins
  std::uint64_t seed = 0;
};

/// Bayesian optimisation with a Gaussian process: Matern 5/2 kernel with a length for each parameter, the largest
/// logarithm of the expected improvement (Ament et al., arXiv 2310.20708). For expensive trials: a suggestion costs
/// O(n^3) for n trials, of which at most 200 count: the best ones, and the newest of the others. Measured on one CPU of
/// an Intel Xeon: 12 ms on average of the first 200 trials of 6 parameters, 14 ms beyond them with 20 parameters. Works
/// on reals, integers and choices that all trials have; parameters that only some have are drawn at random. Of trials
/// that run it believes what it predicts, so that workers do not try the same.
///
/// **Threading**: as Searcher. **Errors**: the constructor throws Error(invalid_argument), and begin() for a study of
/// several objectives.
class GpSearcher : public Searcher {
 public:
  explicit GpSearcher(GpOptions options = {});
  ~GpSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// For NsgaIISearcher. The defaults are Optuna's.
struct NsgaIIOptions {
  std::int64_t population = 50;                ///< trials of a generation
  double crossover_probability = 0.9;          ///< of a child with two parents; else it has one
  double swapping_probability = 0.5;           ///< of each parameter to be the second parent's
  std::optional<double> mutation_probability;  ///< of each parameter to be drawn anew; not given: 1 / parameters
  std::uint64_t seed = 0;
};

/// The genetic algorithm NSGA-II (Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", 2002) for
/// several objectives and constraints, with Optuna's uniform crossover. The first `population` trials are drawn at
/// random; each next `population` trials have their parents among the best of all before: by fronts, within a front by
/// the distance to neighbours; a trial that breaks constraints is worse than one that does not, and of two such the one
/// with the smaller violation is better. Only complete trials are parents. Parameters that not all trials have are
/// drawn at random.
///
/// A suggestion costs O(1); the first of a generation O(population^2).
///
/// **Threading**: as Searcher. **Errors**: the constructor throws Error(invalid_argument).
class NsgaIISearcher : public Searcher {
 public:
  explicit NsgaIISearcher(NsgaIIOptions options = {});
  ~NsgaIISearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class HyperBand;

/// A searcher for each bracket of a HyperBand, which sees only that bracket's trials: with TpeSearcher it is BOHB
/// (Falkner et al., "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", 2018), as Optuna's TPESampler
/// with HyperbandPruner. Give the tuner both.
///
/// **Threading**: as Searcher. **Ownership**: shares the scheduler.
///
///     auto scheduler = std::make_shared<manta::tune::HyperBand>(manta::tune::HyperBandOptions{.max_t = 81});
///     auto searcher = std::make_shared<manta::tune::BracketSearcher>(
///         scheduler, [](int) { return std::make_shared<manta::tune::TpeSearcher>(); });
class BracketSearcher : public Searcher {
 public:
  /// make: the searcher of a bracket, from 0; called once for each.
  BracketSearcher(std::shared_ptr<const HyperBand> scheduler,
                  const std::function<std::shared_ptr<Searcher>(int bracket)>& make);
  ~BracketSearcher() override;
  void begin(const History& history, const TrialRecord& trial) override;
  double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) override;
  bool learns() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace manta::tune
