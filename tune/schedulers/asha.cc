#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include <manta/error.h>
#include <manta/report/text.h>
#include <manta/tune/scheduler.h>

namespace manta::tune {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, "Asha: " + what); }

}  // namespace

Asha::Asha(AshaOptions options) : options_(options) {
  const double factor = options_.reduction_factor;
  if (options_.grace_period < 1 || options_.max_t < options_.grace_period) {
    refuse("grace_period " + std::to_string(options_.grace_period) + " and max_t " + std::to_string(options_.max_t) +
           " make no sense. Next: 1 <= grace_period <= max_t.");
  }
  if (!(factor > 1) || !std::isfinite(factor)) {
    refuse("reduction_factor is " + report::as_number(factor) + ". Next: give a number above 1.");
  }
  if (options_.brackets < 1) refuse("brackets is " + std::to_string(options_.brackets) + ". Next: give at least 1.");
  const auto least = static_cast<double>(options_.grace_period);
  // One ulp of the quotient of logarithms must not cost a rung.
  const double all = std::floor(std::log(static_cast<double>(options_.max_t) / least) / std::log(factor) + 1 + 1e-9);
  for (int b = 0; b < options_.brackets; ++b) {
    const int rungs = static_cast<int>(all) - b;
    if (rungs < 1) {
      refuse(std::to_string(options_.brackets) + " brackets need more rungs than the " +
             std::to_string(static_cast<int>(all)) + " from grace_period to max_t. Next: ask for fewer.");
    }
    Bracket bracket;
    for (int k = rungs - 1; k >= 0; --k) {
      bracket.push_back({least * std::pow(factor, k + b), detail::GrowingQuantile(1 - 1 / factor), {}});
    }
    brackets_.push_back(std::move(bracket));
  }
}

Asha::Bracket& Asha::bracket_of(std::int64_t trial) {
  if (brackets_.size() == 1) return brackets_.front();
  // Ray's weights: exp(rungs), so that the bracket that stops earliest has most trials. By the trial's number, so that
  // a study that is resumed chooses the same.
  std::vector<double> weights;
  for (const Bracket& each : brackets_) weights.push_back(std::exp(static_cast<double>(each.size())));
  std::mt19937_64 random(options_.seed + static_cast<std::uint64_t>(trial));
  double left = std::uniform_real_distribution<>(0, 1)(random);
  double sum = 0;
  for (const double weight : weights) sum += weight;
  for (std::size_t b = 0; b + 1 < brackets_.size(); ++b) {
    left -= weights[b] / sum;
    if (left < 0) return brackets_[b];
  }
  return brackets_.back();
}

Decision Asha::on_report(const TrialRecord& trial, std::int64_t iteration, double score) {
  if (iteration >= options_.max_t) return Decision::finish;
  Decision decision = Decision::go_on;
  for (Rung& rung : bracket_of(trial.number)) {
    if (static_cast<double>(iteration) < rung.at || !rung.trials.insert(trial.number).second) continue;
    const bool worst = std::isnan(score) || score == -INFINITY;
    const bool first = rung.trials.size() == 1;
    if (!first && (worst || (!rung.cutoff.empty() && score < rung.cutoff.value()))) decision = Decision::stop;
    if (!worst) rung.cutoff.add(score);
    break;
  }
  return decision;
}

}  // namespace manta::tune
