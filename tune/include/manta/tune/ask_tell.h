// A study whose loop is the program's own: it asks for a configuration, and tells what came of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <manta/tune/detail/launch.h>
#include <manta/tune/pareto.h>
#include <manta/tune/searcher.h>
#include <manta/tune/space.h>

namespace manta::tune {

/// For AskTell.
struct AskTellOptions {
  Mode mode = Mode::min;
  std::vector<Mode> modes;             ///< of each objective, where there are several; then `mode` does not count
  std::uint64_t seed = 0;              ///< of RandomSearcher, where no searcher is given
  std::shared_ptr<Searcher> searcher;  ///< none: RandomSearcher
  std::vector<Params> try_first;       ///< as TunerConfig::try_first
};

namespace detail {

using Constraints = std::map<std::string, double>;

/// The trials of an AskTell.
class AskedTrials {
 public:
  explicit AskedTrials(AskTellOptions options);
  ~AskedTrials();
  AskedTrials(AskedTrials&&) noexcept;
  AskedTrials& operator=(AskedTrials&&) noexcept;

  std::int64_t ask(const Program& program);
  void tell(std::int64_t number, TrialStatus status, std::vector<double> values, Constraints constraints);
  const std::vector<TrialRecord>& all() const;
  const TrialRecord* best() const;
  bool exhausted() const;
  std::span<const Mode> modes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detail

/// Chooses configurations in this process, in this thread, without workers, files or init: for programs whose trials
/// are run by something else.
///
///     manta::tune::AskTell<space> study({.searcher = std::make_shared<manta::tune::TpeSearcher>()});
///     for (int i = 0; i < 100; ++i) {
///       const auto trial = study.ask();
///       study.tell(trial.number, loss_of(trial.config));
///     }
///     use(study.best()->params);
///
/// Several trials may be asked for before the first result is given. Grids are walked as by Tuner.
///
/// **Threading**: one thread at a time. **Ownership**: movable, owns its trials. **Errors**: Error(invalid_argument)
/// for a trial that was not asked for, or that has a result; what the space function and the searcher throw.
template <auto SpaceFunction>
class AskTell {
 public:
  using Config = detail::ConfigOf<SpaceFunction>;
  struct Asked {
    std::int64_t number = 0;  ///< from 0
    Config config;
  };

  explicit AskTell(AskTellOptions options = {}) : trials_(std::move(options)) {}

  /// Throws Error(exhausted) where the searcher has nothing more to suggest.
  Asked ask() {
    Asked asked;
    detail::Program program;
    program.configure = [&asked](Space& space, std::int64_t) { asked.config = SpaceFunction(space); };
    asked.number = trials_.ask(program);
    return asked;
  }
  /// Whether the searcher has nothing more to suggest, as BruteForceSearcher has in the end.
  bool exhausted() const { return trials_.exhausted(); }
  /// NaN: as fail(). constraints: by name, up to 0 where it is kept.
  void tell(std::int64_t number, double value, detail::Constraints constraints = {}) {
    trials_.tell(number, TrialStatus::complete, {value}, std::move(constraints));
  }
  /// The same of several objectives, in the order of AskTellOptions::modes.
  void tell(std::int64_t number, std::vector<double> values, detail::Constraints constraints = {}) {
    trials_.tell(number, TrialStatus::complete, std::move(values), std::move(constraints));
  }
  /// The trial has no result.
  void fail(std::int64_t number) { trials_.tell(number, TrialStatus::failed, {}, {}); }

  /// By number.
  const std::vector<TrialRecord>& trials() const { return trials_.all(); }
  /// The complete trial with the best value of those that keep their constraints, the first of equal ones; null: there
  /// is none, or there are several objectives (see pareto_front()).
  const TrialRecord* best() const { return trials_.best(); }
  /// The places of the trials that none is better than; see pareto.h.
  std::vector<std::size_t> pareto_front() const { return tune::pareto_front(trials(), trials_.modes()); }

 private:
  detail::AskedTrials trials_;
};

}  // namespace manta::tune
