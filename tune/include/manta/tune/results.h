// What a study found.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <manta/tune/pareto.h>
#include <manta/tune/trial_record.h>

namespace manta::tune {

namespace detail {

/// A study after fit(), whatever its configurations' type.
struct Outcome {
  std::vector<TrialRecord> trials;  ///< by number
  std::filesystem::path folder;
  bool interrupted = false;
  std::string why_ended;
  std::string summary;
  std::ptrdiff_t best = -1;  ///< none
  std::string why_none;
  std::vector<std::size_t> front;  ///< see pareto_front()
  std::vector<Mode> modes;         ///< of each objective
};

[[noreturn]] void throw_no_best(const Outcome& outcome);

}  // namespace detail

/// A trial with its configuration as the program's own type.
template <class Config>
struct TrialResult : TrialRecord {
  Config config;
};

/// **Threading**: immutable. **Ownership**: a value.
template <class Config>
class Results {
 public:
  /// For the tuner. One configuration for each trial.
  Results(detail::Outcome outcome, std::vector<Config> configs) : outcome_(std::move(outcome)) {
    trials_.reserve(configs.size());
    for (std::size_t i = 0; i < configs.size(); ++i) {
      trials_.push_back({std::move(outcome_.trials[i]), std::move(configs[i])});
    }
    outcome_.trials.clear();
  }

  /// The trial with the best value; of equal ones the first. Trials that the scheduler stopped count only if none is
  /// complete, trials that break constraints never. Throws Error(not_found) where there is none, and where there are
  /// several objectives.
  const TrialResult<Config>& best() const {
    if (outcome_.best < 0) detail::throw_no_best(outcome_);
    return trials_[static_cast<std::size_t>(outcome_.best)];
  }
  /// The complete trials that keep their constraints and that no other such trial dominates, by number. Of one
  /// objective: the best ones.
  std::vector<const TrialResult<Config>*> pareto_front() const {
    std::vector<const TrialResult<Config>*> front;
    for (const std::size_t at : outcome_.front) front.push_back(&trials_[at]);
    return front;
  }
  /// The volume between the front and a reference point, which has a number for each objective that every good trial is
  /// better than; see pareto.h.
  double hypervolume(const std::vector<double>& reference) const {
    std::vector<std::vector<double>> points;
    for (const auto* each : pareto_front())
      points.push_back(each->values.empty() ? std::vector<double>{*each->value} : each->values);
    return tune::hypervolume(points, reference, outcome_.modes);
  }
  /// All of them, by number.
  const std::vector<TrialResult<Config>>& trials() const { return trials_; }
  /// Where the study's files are.
  const std::filesystem::path& folder() const { return outcome_.folder; }
  /// Whether SIGINT or SIGTERM ended it; RunConfig::resume goes on from there.
  bool interrupted() const { return outcome_.interrupted; }
  /// Why the study has ended although trials are left, by a limit of TunerConfig: "the target 0.1 is reached". Empty:
  /// it has not.
  const std::string& why_ended() const { return outcome_.why_ended; }
  /// The text that fit() prints at the end: best trial, counts, time, folder.
  const std::string& summary() const { return outcome_.summary; }

 private:
  detail::Outcome outcome_;
  std::vector<TrialResult<Config>> trials_;
};

}  // namespace manta::tune
