// Search algorithms, which choose the values of parameters.
#pragma once

#include <cstdint>
#include <string_view>

#include <manta/tune/trial_record.h>

namespace manta::tune {

/// Interface for search algorithms. They do not choose the values of grids.
///
/// **Threading**: called by fit(), in its thread.
class Searcher {
 public:
  virtual ~Searcher() = default;

  /// The value of a parameter of a trial, whose params are those that it has so far: a number as Distribution describes
  /// it. What it throws ends the study.
  virtual double suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) = 0;
  /// A trial has ended, well or not. When a study is resumed it is called for all earlier trials.
  virtual void finished(const TrialRecord& trial) { (void)trial; }
  /// Whether it suggests better the more trials have ended. Else configurations are made ahead: where trials are short,
  /// workers get several at once.
  virtual bool learns() const { return true; }
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

}  // namespace manta::tune
