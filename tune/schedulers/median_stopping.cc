#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include <manta/error.h>
#include <manta/tune/scheduler.h>

namespace manta::tune {

MedianStopping::MedianStopping(MedianStoppingOptions options) : options_(options) {
  if (options_.grace_period < 0 || options_.min_samples_required < 1) {
    throw Error(ErrorCode::invalid_argument,
                "MedianStopping: grace_period " + std::to_string(options_.grace_period) + " and min_samples_required " +
                    std::to_string(options_.min_samples_required) + " make no sense. Next: give at least 0 and 1.");
  }
}

double MedianStopping::mean_at(const Course& course, std::int64_t iteration) {
  auto at = course.upper_bound(iteration);
  if (at == course.begin()) return NAN;
  const Point& point = (--at)->second;
  if (point.count == 0) return NAN;
  // -infinity and +infinity together are the worse of both.
  return std::isnan(point.sum) ? -INFINITY : point.sum / static_cast<double>(point.count);
}

// A trial that is run again reports these iterations a second time.
void MedianStopping::forget_from(Course& course, std::int64_t iteration) {
  if (course.empty() || course.rbegin()->first < iteration) return;
  const auto before = course.lower_bound(iteration);
  const std::int64_t reached = before == course.begin() ? INT64_MIN : std::prev(before)->first;
  for (auto median = medians_.upper_bound(reached); median != medians_.end() && median->first <= course.rbegin()->first;
       ++median) {
    const double mean = mean_at(course, median->first);
    if (!std::isnan(mean)) median->second.remove(mean);
  }
  course.erase(before, course.end());
}

Decision MedianStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  if (std::isnan(score)) score = -INFINITY;
  Course& own = courses_[trial.number];
  forget_from(own, iteration);
  const Point before = own.empty() ? Point{.best = -INFINITY} : own.rbegin()->second;
  const std::int64_t reached = own.empty() ? INT64_MIN : own.rbegin()->first;
  const bool counts = iteration >= options_.grace_period;

  auto [median, is_new] = medians_.try_emplace(iteration, 0.5);
  if (is_new) {
    for (const auto& [number, course] : courses_) {
      if (course.empty() || course.rbegin()->first < iteration) continue;
      const double mean = mean_at(course, iteration);
      if (!std::isnan(mean)) median->second.add(mean);
    }
  }
  Point point{score, std::max(before.best, score), before.sum, before.count};
  if (counts) {
    point.sum += score;
    ++point.count;
  }
  const bool enough = static_cast<std::int64_t>(median->second.size()) >= options_.min_samples_required;
  const bool stop = counts && enough && point.best < median->second.value();
  own.emplace(iteration, point);
  for (auto each = medians_.upper_bound(reached); each != std::next(median); ++each) {
    const double mean = mean_at(own, each->first);
    if (!std::isnan(mean)) each->second.add(mean);
  }
  return stop ? Decision::stop : Decision::go_on;
}

}  // namespace manta::tune
