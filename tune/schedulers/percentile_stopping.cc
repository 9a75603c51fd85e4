#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include <manta/report/text.h>
#include <manta/tune/scheduler.h>

#include "tune/schedulers/course.h"
#include "tune/schedulers/refusal.h"

namespace manta::tune {

struct PercentileStopping::Impl {
  PercentileOptions options;
  std::unordered_map<std::int64_t, detail::Course> courses;   // by trial
  std::map<std::int64_t, detail::GrowingQuantile> quantiles;  // by iteration, of complete trials
  std::int64_t complete = 0;
};

PercentileStopping::PercentileStopping(PercentileOptions options) {
  const std::string name = "PercentileStopping";
  detail::require(options.percentile >= 0 && options.percentile <= 100, name,
                  "percentile is " + report::as_number(options.percentile) + ". Next: give a number from 0 to 100.");
  detail::require(options.startup_trials >= 0 && options.grace_period >= 0, name,
                  "startup_trials or grace_period is below 0. Next: 0 is none.");
  detail::require(options.interval >= 1 && options.min_trials >= 1, name,
                  "interval or min_trials is below 1. Next: give at least 1.");
  impl_ = std::make_unique<Impl>(Impl{options, {}, {}, 0});
}
PercentileStopping::~PercentileStopping() = default;

Decision PercentileStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  const PercentileOptions& options = impl_->options;
  detail::Course& course = impl_->courses[trial.number];
  course.add(iteration, score);
  const auto last = std::prev(course.scores().end());
  const std::int64_t before = last == course.scores().begin() ? -1 : std::prev(last)->first;
  const bool looks = impl_->complete > 0 && impl_->complete >= options.startup_trials &&
                     detail::is_first_in_interval(iteration, before, options.grace_period, options.interval);
  const auto others = impl_->quantiles.find(iteration);
  if (!looks || others == impl_->quantiles.end()) return Decision::go_on;
  if (static_cast<std::int64_t>(others->second.size()) < options.min_trials) return Decision::go_on;
  return course.best() < others->second.value() ? Decision::stop : Decision::go_on;
}

void PercentileStopping::on_end(const TrialRecord& trial) {
  if (trial.status == TrialStatus::running) return;
  const auto course = impl_->courses.extract(trial.number);
  if (trial.status != TrialStatus::complete) return;
  ++impl_->complete;
  if (course.empty()) return;
  const double share = 1 - impl_->options.percentile / 100;
  for (const auto& [iteration, score] : course.mapped().scores())
    impl_->quantiles.try_emplace(iteration, share).first->second.add(score);
}

}  // namespace manta::tune
