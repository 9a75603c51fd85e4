#include <cmath>
#include <cstdint>
#include <string>

#include <manta/tune/scheduler.h>

#include "tune/schedulers/course.h"
#include "tune/schedulers/refusal.h"

namespace manta::tune {

ThresholdStopping::ThresholdStopping(ThresholdOptions options) : options_(options) {
  const std::string name = "ThresholdStopping";
  detail::require(options.lower || options.upper, name, "there is no limit. Next: give lower or upper.");
  const bool numbers = !std::isnan(options.lower.value_or(0)) && !std::isnan(options.upper.value_or(0));
  detail::require(numbers, name, "a limit is NaN. Next: give a number, or leave it out.");
  detail::require(options.lower.value_or(-INFINITY) <= options.upper.value_or(INFINITY), name,
                  "lower is above upper, so that every trial would be stopped. Next: exchange them.");
  detail::require(options.grace_period >= 0 && options.interval >= 1, name,
                  "grace_period is below 0 or interval below 1. Next: give at least 0 and 1.");
}

Decision ThresholdStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  const auto [last, is_new] = last_.try_emplace(trial.number, -1);
  const std::int64_t before = last->second < iteration ? last->second : -1;  // of another attempt it does not count
  last->second = iteration;
  if (!detail::is_first_in_interval(iteration, before, options_.grace_period, options_.interval))
    return Decision::go_on;
  const double value = options_.mode == Mode::min ? -score : score;
  const bool inside = value >= options_.lower.value_or(-INFINITY) && value <= options_.upper.value_or(INFINITY);
  return inside ? Decision::go_on : Decision::stop;  // NaN is not inside
}

}  // namespace manta::tune
