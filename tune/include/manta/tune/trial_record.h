// What is known of a trial.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <manta/report/metrics.h>
#include <manta/tune/distribution.h>

namespace manta::tune {

using report::Metrics;

/// State of a trial.
enum class TrialStatus : std::uint8_t {
  running,  ///< or to be run: a study that was interrupted has some
  complete,
  stopped,  ///< by the scheduler, before its end
  failed,
};
/// "running" and so on.
std::string_view to_string(TrialStatus status);

/// Whether a smaller or a larger metric is better.
enum class Mode : std::uint8_t { min, max };

/// A metric to be optimised, where there are several.
struct Objective {
  std::string metric;
  Mode mode = Mode::min;
};

/// A report's value of the metric.
struct Intermediate {
  std::int64_t iteration = 0;  ///< the report's number in the trial, from 1; or what it brought as "training_iteration"
  double value = 0;
};

/// A value: searchers and schedulers see it while the study runs, results hold it.
struct TrialRecord {
  std::int64_t number = 0;  ///< from 0, in the order in which configurations were made
  TrialStatus status = TrialStatus::running;
  std::vector<Param> params;          ///< in the order in which the space asked for them
  std::vector<Intermediate> reports;  ///< by iteration
  std::optional<double> value;        ///< of the metric: what the objective returned, else that of the last report
  std::vector<double> values;         ///< of each objective, where there are several; `value` is the first's
  std::map<std::string, double> constraints;  ///< what the trial has said of each: up to 0 it is kept
  Metrics metrics;                            ///< of the last report, with what the objective returned
  std::string error;                          ///< why it failed
  int attempts = 0;                           ///< how often it was started, in this run of the program
  double seconds = 0;                         ///< from its start to its end
  std::filesystem::path folder;               ///< there if the trial reported, or asked for it
};

/// By how much the trial's constraints are broken: the sum of those above 0. 0: all are kept, or there are none.
double violation_of(const TrialRecord& trial);

}  // namespace manta::tune
