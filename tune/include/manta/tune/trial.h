// A trial, as the objective sees it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <manta/tune/trial_record.h>

namespace manta::tune {

namespace detail {
class Session;
}

/// Thrown by Trial::report where the trial is to end. No std::exception on purpose: what catches those lets it pass.
struct TrialStopped {};

/// Given to the objective, in the worker process that runs it.
///
/// **Threading**: the objective's thread. **Ownership**: lives as long as the objective's call.
///
///     double objective(tune::Trial& trial, const Config& config, const Data& data) {
///       for (int epoch = 0; epoch < 20; ++epoch) {
///         loss = train(...);
///         trial.report({{"loss", loss}});
///       }
///       return loss;
///     }
class Trial {
 public:
  /// For the worker.
  explicit Trial(detail::Session& session) : session_(session) {}

  std::int64_t number() const;
  /// 1 for the first time that the trial is run.
  int attempt() const;

  /// Intermediate metrics, for the scheduler and the files in folder(). With a scheduler it waits for the decision, and
  /// throws TrialStopped where that is to stop. The first report is iteration 1; metrics named "training_iteration" say
  /// otherwise, which a trial does that goes on from a checkpoint of its own. A value may be NaN or infinite; a result
  /// that is NaN makes the trial a failed one. Throws Error(invalid_argument) for a metric without a name, and for a
  /// training_iteration that is not a whole number of 0 or more.
  void report(const Metrics& metrics);

  /// What the trial says of a constraint, such as a model's size less the largest that is allowed: up to 0 it is kept,
  /// above it is broken, the more the worse. The last value given for a name counts; give it before the trial ends.
  /// Throws Error(invalid_argument) for a name that is empty, and for NaN.
  void constrain(const std::string& name, double value);

  /// A folder of the trial's own, made if need be; the same when it is tried again, and when the study is resumed. A
  /// trial that is a Trainer keeps its checkpoints there:
  ///
  ///     train::Trainer<loop> trainer({.num_workers = 2},
  ///                                  {.name = "train", .storage_path = trial.folder(), .resume = true});
  std::filesystem::path folder() const;

 private:
  detail::Session& session_;
};

}  // namespace manta::tune
