// The search for good parameters: trials on worker processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/tune/detail/launch.h>
#include <manta/tune/results.h>
#include <manta/tune/scheduler.h>
#include <manta/tune/searcher.h>
#include <manta/tune/space.h>
#include <manta/tune/trial.h>

namespace manta::tune {

/// What a study optimises, its trials' number and resources, its algorithms.
struct TunerConfig {
  std::string metric = "value";  ///< what is optimised: of what is reported, or what the objective returns
  Mode mode = Mode::min;
  /// Several metrics that are optimised at once; then `metric` and `mode` do not count. The objective returns Metrics,
  /// or reports them; Results::pareto_front() has the trials that none is better than. A scheduler sees the first one.
  std::vector<Objective> objectives;
  std::int64_t num_samples = 1;        ///< trials; where the space has grids, how often all their combinations are run
  double cpus_per_trial = 1;           ///< 0: for trials that are Trainers, whose workers take the CPUs
  double gpus_per_trial = 0;           ///< below 1: a share of one GPU
  int max_concurrent_trials = 0;       ///< 0: as many as the cluster's resources allow
  std::uint64_t seed = 0;              ///< of RandomSearcher, where no searcher is given
  std::shared_ptr<Searcher> searcher;  ///< none: RandomSearcher
  /// What the first trials try, one after the other: {{{"rate", 0.1}, {"layers", 3}}, ...}. The searcher chooses what
  /// is left out. They count as samples. A value that is not in its range, or a name that the space does not ask for in
  /// that trial, ends the study with an error.
  std::vector<Params> try_first;
  std::shared_ptr<Scheduler> scheduler;  ///< none: every trial runs to its end
  /// Ends the study although trials are left, as SIGINT does: those that run are ended, and RunConfig::resume goes on.
  /// A time of this run of the program; max(): none.
  std::chrono::nanoseconds time_limit = std::chrono::nanoseconds::max();
  std::optional<double> target;  ///< the same, once a complete trial is as good as that; for one objective
  /// The same, once so many trials in a row were no better than the best; 0: never. For one objective.
  std::int64_t patience = 0;
};

/// A study's folder, failures and output.
struct RunConfig {
  std::string name;  ///< of the study's folder; empty: tune_DATE_TIME
  /// Where that folder is; where there are several hosts, they share it.
  std::filesystem::path storage_path = "manta_results";
  bool resume = false;   ///< go on with the study in it, if there is one
  int max_failures = 3;  ///< how often a trial is tried again whose process died; -1: for ever
  /// Whether an exception of the objective counts as such a failure; else it ends the trial.
  bool retry_exceptions = false;
  bool fail_fast = false;   ///< whether the first failed trial ends the study
  bool tensorboard = true;  ///< write event files, for trials that report
  bool verbose = true;      ///< show progress, and a summary at the end, on the standard output
};

/// Runs Objective, a function R objective(Trial&, const Config&, arguments...), for configurations that SpaceFunction,
/// a function Config space(Space&), makes. R: double, the metric's value; Metrics, which hold it; or void: that of the
/// last report counts. Trials run in worker processes that are started once, as many as the resources allow, and get
/// the arguments once.
///
/// A trial whose process dies is tried again, up to RunConfig::max_failures times. One that throws has failed; the
/// others go on. Trials that end within a millisecond are handed out several at a time; where a process dies that had
/// several, those whose results had not arrived are run again, one at a time.
///
/// Optuna may use the study's journal at the same time, for trials of its own: they are among the results (a searcher
/// and a scheduler see them, num_samples does not count them), as those that it has added whole (Study.add_trial).
/// Trials that it has queued (Study.enqueue_trial) are run here or there, here before others, with the values that they
/// have been given; each counts as a sample where the space has no grids. Trials have one number here and there.
///
/// A result that is NaN makes a trial a failed one; infinities are results like others.
///
/// Results: STORAGE_PATH/NAME/ with study.journal (Optuna's journal format: optuna and optuna-dashboard open it),
/// trials.csv, trials.jsonl, and for each trial that reported a folder trial_NNNNN/ with params.json, result.json,
/// progress.csv and a TensorBoard event file.
///
/// However the program ends, kill -9 included, RunConfig::resume goes on: trials that have ended are kept, those that
/// ran are run again with the same values; num_samples may have been raised. If the space has changed, trials that are
/// run keep the stored values that it still allows, parameters that are new are drawn, removed ones are left out.
/// SIGINT and SIGTERM end fit() early with all files complete; a second one ends the program.
///
/// **Threading**: fit() blocks; one thread. **Ownership**: the workers live as long as fit(). **Errors**: fit() throws
/// manta::Error: invalid_argument (invalid options, resources that no node has, a folder that holds a study
/// without resume), worker_died where workers die before they can run a trial; what the space function or the searcher
/// throws.
///
///     manta::tune::Tuner<space, objective> tuner({.metric = "loss", .num_samples = 100}, {.name = "study"});
///     const auto results = tuner.fit(manta::put(load()));
///     use(results.best().config.rate);
template <auto SpaceFunction, auto Objective, class File = ThisFile>
class Tuner {
 public:
  using Config = detail::ConfigOf<SpaceFunction>;

  explicit Tuner(TunerConfig tuner, RunConfig run = {}) : tuner_(std::move(tuner)), run_(std::move(run)) {}

  /// The arguments as remote<f> takes them: a Ref for what all workers read in place, everything else is sent to each.
  template <class... As>
  Results<Config> fit(As&&... arguments) {
    using Worker = detail::ObjectiveWorker<Objective, Config, File>;
    const std::tuple<std::decay_t<As>...> given(std::forward<As>(arguments)...);
    std::vector<Config> configs;
    detail::Program program;
    program.configure = [&configs](Space& space, std::int64_t number) {
      const auto place = static_cast<std::size_t>(number);
      Config config = SpaceFunction(space);
      if (configs.size() <= place) configs.resize(place + 1);
      configs[place] = std::move(config);
    };
    program.start = [&](const detail::WorkerSetup& setup, const ActorOptions& options) {
      return std::apply(
          [&](const auto&... each) {
            return detail::start_worker<Worker, Config, File>(setup, options, configs, each...);
          },
          given);
    };
    detail::Outcome outcome = detail::fit(tuner_, run_, program);
    return Results<Config>(std::move(outcome), std::move(configs));
  }

 private:
  TunerConfig tuner_;
  RunConfig run_;
};

}  // namespace manta::tune
