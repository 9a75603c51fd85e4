#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <utility>

#include <manta/tune/scheduler.h>

#include "tune/schedulers/course.h"
#include "tune/schedulers/refusal.h"

namespace manta::tune {

struct PatientStopping::Impl {
  std::shared_ptr<Scheduler> other;
  PatientOptions options;
  std::unordered_map<std::int64_t, detail::Course> courses;

  // Whether the best of the last patience + 1 reports is worse than the best one before them.
  bool has_stalled(const detail::Course& course) const {
    const auto& scores = course.scores();
    const std::int64_t recent = options.patience + 1;
    const auto all = static_cast<std::int64_t>(scores.size());
    if (all <= recent) return false;
    double before = -INFINITY, since = -INFINITY;
    std::int64_t at = 0;
    for (const auto& [iteration, score] : scores) {
      double& best = at++ < all - recent ? before : since;
      best = std::max(best, score);
    }
    return before - options.min_delta > since;
  }
};

PatientStopping::PatientStopping(std::shared_ptr<Scheduler> other, PatientOptions options) {
  detail::require(options.patience >= 0, "PatientStopping", "patience is below 0. Next: give at least 0.");
  detail::require(options.min_delta >= 0, "PatientStopping", "min_delta is below 0, or NaN. Next: give at least 0.");
  impl_ = std::make_unique<Impl>(Impl{std::move(other), options, {}});
}
PatientStopping::~PatientStopping() = default;

Decision PatientStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  detail::Course& course = impl_->courses[trial.number];
  course.add(iteration, score);
  const Decision decision = impl_->other ? impl_->other->on_report(trial, iteration, score) : Decision::stop;
  return decision == Decision::stop && !impl_->has_stalled(course) ? Decision::go_on : decision;
}

void PatientStopping::on_end(const TrialRecord& trial) {
  if (trial.status != TrialStatus::running) impl_->courses.erase(trial.number);
  if (impl_->other) impl_->other->on_end(trial);
}

}  // namespace manta::tune
