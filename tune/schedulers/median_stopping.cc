#include <algorithm>
#include <cmath>
#include <string>

#include <manta/error.h>
#include <manta/tune/scheduler.h>

namespace manta::tune {

namespace {

using Scores = std::map<std::int64_t, double>;  // of one trial, by iteration

// Of its reports from the grace period to that iteration.
double running_mean(const Scores& scores, std::int64_t from, std::int64_t to) {
  double sum = 0;
  int count = 0;
  for (auto at = scores.lower_bound(from); at != scores.end() && at->first <= to; ++at, ++count) sum += at->second;
  return count == 0 ? NAN : sum / count;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

MedianStopping::MedianStopping(MedianStoppingOptions options) : options_(options) {
  if (options_.grace_period < 0 || options_.min_samples_required < 1) {
    throw Error(ErrorCode::invalid_argument,
                "MedianStopping: grace_period " + std::to_string(options_.grace_period) + " and min_samples_required " +
                    std::to_string(options_.min_samples_required) + " make no sense. Next: give at least 0 and 1.");
  }
}

Decision MedianStopping::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  Scores& own = scores_[trial.number];
  own[iteration] = score;
  if (iteration < options_.grace_period) return Decision::go_on;
  std::vector<double> means;
  for (const auto& [number, scores] : scores_) {
    if (number == trial.number || scores.rbegin()->first < iteration) continue;
    const double mean = running_mean(scores, options_.grace_period, iteration);
    if (!std::isnan(mean)) means.push_back(mean);
  }
  if (static_cast<std::int64_t>(means.size()) < options_.min_samples_required) return Decision::go_on;
  double best = -INFINITY;
  for (const auto& [at, each] : own) best = each > best ? each : best;  // no NaN is
  return best < median(std::move(means)) ? Decision::stop : Decision::go_on;
}

}  // namespace manta::tune
