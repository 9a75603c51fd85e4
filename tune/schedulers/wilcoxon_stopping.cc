#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <manta/report/text.h>
#include <manta/tune/scheduler.h>

#include "tune/schedulers/course.h"
#include "tune/schedulers/refusal.h"
#include "tune/schedulers/signed_rank.h"

namespace manta::tune {

namespace {

bool finite(const detail::Course& course) {
  return std::all_of(course.scores().begin(), course.scores().end(),
                     [](const auto& each) { return std::isfinite(each.second); });
}

double mean(const detail::Course& course) {
  double sum = 0;
  for (const auto& [iteration, score] : course.scores()) sum += score;
  return sum / static_cast<double>(course.scores().size());
}

}  // namespace

struct WilcoxonStopping::Impl {
  WilcoxonOptions options;
  std::unordered_map<std::int64_t, detail::Course> courses;  // by trial
  detail::Course best;                                       // the reports of the best complete trial
  double best_value = -INFINITY;                             // its value, more is better
  std::int64_t best_trial = -1;
};

WilcoxonStopping::WilcoxonStopping(WilcoxonOptions options) {
  const std::string name = "WilcoxonStopping";
  detail::require(options.p_threshold >= 0 && options.p_threshold <= 1, name,
                  "p_threshold is " + report::as_number(options.p_threshold) + ". Next: give a number from 0 to 1.");
  detail::require(options.startup_reports >= 0, name, "startup_reports is below 0. Next: give at least 0.");
  impl_ = std::make_unique<Impl>();
  impl_->options = options;
}
WilcoxonStopping::~WilcoxonStopping() = default;

Decision WilcoxonStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  detail::Course& course = impl_->courses[trial.number];
  course.add(iteration, score);
  const detail::Course& best = impl_->best;
  if (best.scores().empty() || !finite(best) || !finite(course)) return Decision::go_on;
  std::vector<double> worse;
  for (const auto& [problem, own] : course.scores()) {
    const auto other = best.scores().find(problem);
    if (other != best.scores().end()) worse.push_back(other->second - own);
  }
  const auto common = static_cast<std::int64_t>(worse.size());
  if (common < std::max<std::int64_t>(2, impl_->options.startup_reports)) return Decision::go_on;
  if (mean(course) >= mean(best)) return Decision::go_on;
  return detail::signed_rank_p(worse) < impl_->options.p_threshold ? Decision::stop : Decision::go_on;
}

void WilcoxonStopping::on_end(const TrialRecord& trial) {
  if (trial.status == TrialStatus::running) return;
  auto course = impl_->courses.extract(trial.number);
  if (trial.status != TrialStatus::complete || !trial.value || std::isnan(*trial.value)) return;
  const double value = impl_->options.mode == Mode::min ? -*trial.value : *trial.value;
  const bool better = value > impl_->best_value || (value == impl_->best_value && trial.number < impl_->best_trial);
  if (impl_->best_trial >= 0 && !better) return;
  impl_->best_value = value;
  impl_->best_trial = trial.number;
  impl_->best = course.empty() ? detail::Course() : std::move(course.mapped());
}

}  // namespace manta::tune
