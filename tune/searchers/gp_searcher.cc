#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/descent.h"
#include "tune/searchers/draws.h"
#include "tune/searchers/fronts.h"
#include "tune/searchers/gaussian_process.h"
#include "tune/searchers/history_columns.h"
#include "tune/searchers/scale.h"

namespace manta::tune {

using detail::Draws;
using detail::GaussianProcess;
using detail::Scale;
using Vector = GaussianProcess::Vector;

namespace {

constexpr int kCandidates = 1024;  // points that are looked at before the best of them are improved
constexpr int kNearby = 64;        // more of them, around the best trials
constexpr int kStarts = 6;
constexpr int kSteps = 80;
constexpr int kRounds = 3;                // of numbers and choices in turn
constexpr std::size_t kMostTrials = 200;  // the newest of the others, and the best tenth, count
constexpr std::size_t kFitEvery = 16;     // trials, where more than those have ended

// The logarithm of the expected improvement, of a value that is smaller than `best`, in units of the deviation, and its
// derivative by z.
std::pair<double, double> log_improvement(double z) {
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  const double below = std::erfc(-z / std::numbers::sqrt2) / 2;
  if (z > -25) {
    const double h = density + z * below;
    return {std::log(h), below / h};
  }
  return {-z * z / 2 - std::log(std::sqrt(2 * std::numbers::pi)) - 2 * std::log(-z), -z - 2 / z};
}

struct Coordinate {
  explicit Coordinate(const Distribution& of)
      : choices(of.kind == Distribution::Kind::categorical ? of.choices->size() : 0),
        scale(choices > 0 ? Distribution() : of) {}
  double to(double number) const { return choices > 0 ? number : scale.share_of(number); }
  double from(double at) const { return choices > 0 ? at : scale.number_at(at); }
  double nearest(double at) const { return choices > 0 || !scale.whole() ? at : to(from(at)); }
  std::size_t choices;
  Scale scale;
};

}  // namespace

struct GpSearcher::Impl {
  explicit Impl(const GpOptions& given) : options(given), random(given.seed) {}

  // The trials that count, their values standardised, smaller is better; and those that run.
  struct Seen {
    std::vector<std::size_t> ended, running;
    Vector values;
  };

  // Of the trials with a number below that.
  Seen look(const History& history, std::size_t below) const {
    Seen seen;
    std::vector<std::pair<double, std::size_t>> ended;
    const double sign = history.mode == Mode::min ? 1 : -1;
    for (std::size_t i = 0; i < std::min(below, history.trials.size()); ++i) {
      const TrialRecord& trial = history.trials[i];
      if (trial.params.empty() || trial.number == making) continue;
      if (trial.status == TrialStatus::running) seen.running.push_back(i);
      const bool counts = trial.status == TrialStatus::complete || trial.status == TrialStatus::stopped;
      if (counts && trial.value && !std::isnan(*trial.value)) ended.emplace_back(sign * *trial.value, i);
    }
    if (ended.size() > kMostTrials) {
      const auto kept = static_cast<std::ptrdiff_t>(kMostTrials / 10);
      std::nth_element(ended.begin(), ended.begin() + kept, ended.end());
      std::sort(ended.begin() + kept, ended.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
      ended.resize(kMostTrials);
    }
    std::sort(ended.begin(), ended.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    // Infinities count as the worst or the best of the others.
    double least = INFINITY, most = -INFINITY;
    for (const auto& [value, i] : ended) {
      if (!std::isfinite(value)) continue;
      least = std::min(least, value);
      most = std::max(most, value);
    }
    if (!std::isfinite(least)) least = most = 0;
    seen.values.resize(static_cast<Eigen::Index>(ended.size()));
    for (const auto& [value, i] : ended) {
      seen.values[static_cast<Eigen::Index>(seen.ended.size())] = std::clamp(value, least, most);
      seen.ended.push_back(i);
    }
    if (seen.ended.empty()) return seen;
    seen.values.array() -= seen.values.mean();
    const double deviation = std::sqrt(seen.values.squaredNorm() / static_cast<double>(seen.values.size()));
    if (deviation > 1e-12 && std::isfinite(deviation)) {
      seen.values /= deviation;
    } else {
      seen.values.setZero();
    }
    return seen;
  }

  GaussianProcess::Matrix points_of(const std::vector<std::size_t>& trials) const {
    GaussianProcess::Matrix points(static_cast<Eigen::Index>(trials.size()),
                                   static_cast<Eigen::Index>(coordinates.size()));
    for (std::size_t d = 0; d < coordinates.size(); ++d) {
      for (std::size_t i = 0; i < trials.size(); ++i)
        points(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(d)) =
            coordinates[d].to(known.columns()[d].numbers[trials[i]]);
    }
    return points;
  }

  // The process's logarithms: of the trials that have ended; beyond kMostTrials, of those before the last multiple
  // of kFitEvery but one, so that they need not be found for each suggestion. They begin at the same place each time: a
  // study that is resumed has no others.
  const Vector& logs_of(const History& history, const Seen& seen) {
    Seen fitted = seen;
    const auto turn = static_cast<std::size_t>(making) / kFitEvery;
    if (seen.ended.size() == kMostTrials && turn > 0) fitted = look(history, (turn - 1) * kFitEvery);
    if (fitted.ended.size() * 2 < std::min(seen.ended.size(), kMostTrials)) fitted = seen;
    if (fitted.ended == fit.ended && fitted.values == fit.values && logs.size() > 0) return logs;
    GaussianProcess process(points_of(fitted.ended), fitted.values, choices);
    process.fit(GaussianProcess::default_logs(static_cast<Eigen::Index>(coordinates.size())));
    logs = process.logs();
    fit = std::move(fitted);
    return logs;
  }

  // Of the values' process, the process that also believes what it predicts of trials that run.
  GaussianProcess model_of(const History& history, const Seen& seen) {
    GaussianProcess::Matrix points = points_of(seen.ended);
    GaussianProcess process(points, seen.values, choices);
    process.use(logs_of(history, seen));
    if (seen.running.empty()) return process;
    const GaussianProcess::Matrix more = points_of(seen.running);
    GaussianProcess::Matrix all(points.rows() + more.rows(), points.cols());
    all << points, more;
    Vector values(all.rows());
    values.head(points.rows()) = seen.values;
    for (Eigen::Index i = 0; i < more.rows(); ++i)
      values[points.rows() + i] = process.predict(more.row(i).transpose()).mean;
    GaussianProcess believing(std::move(all), std::move(values), choices);
    believing.use(process.logs());
    return believing;
  }

  static double gain(const GaussianProcess::Prediction& of, double best) {
    const double deviation = std::sqrt(of.variance);
    return log_improvement((best - of.mean) / deviation).first + std::log(deviation);
  }

  // Numbers by their gradient, then choices one after the other.
  detail::Minimum improve(const GaussianProcess& process, double best, Vector x) const {
    const detail::Smooth loss = [&](const Vector& at, Vector& gradient) {
      Vector by_mean, by_variance;
      const auto [mean, variance] = process.predict(at, by_mean, by_variance);
      const double deviation = std::sqrt(variance), z = (best - mean) / deviation;
      const auto [log_h, slope] = log_improvement(z);
      const Vector by_deviation = by_variance / (2 * deviation);
      gradient = -(slope * (-by_mean - z * by_deviation) / deviation + by_deviation / deviation);
      return -(log_h + std::log(deviation));
    };
    const Vector low = Vector::Zero(x.size());
    Vector high = Vector::Ones(x.size());
    for (std::size_t d = 0; d < coordinates.size(); ++d) {
      if (choices[d]) high[static_cast<Eigen::Index>(d)] = static_cast<double>(coordinates[d].choices);
    }
    detail::Minimum least{x, INFINITY};
    for (int round = 0; round < kRounds; ++round) {
      least = detail::descend(loss, least.x, low, high, kSteps);
      bool changed = false;
      for (std::size_t d = 0; d < coordinates.size(); ++d) {
        for (std::size_t choice = 0; choice < coordinates[d].choices; ++choice) {
          Vector other = least.x;
          other[static_cast<Eigen::Index>(d)] = static_cast<double>(choice);
          if (const double value = -gain(process.predict(other), best); value < least.value) {
            least = {other, value};
            changed = true;
          }
        }
      }
      if (!changed) break;
    }
    return least;
  }

  Vector random_point(Draws& draws) const {
    Vector x(static_cast<Eigen::Index>(coordinates.size()));
    for (std::size_t d = 0; d < coordinates.size(); ++d) {
      const auto size = static_cast<double>(coordinates[d].choices);
      x[static_cast<Eigen::Index>(d)] = size > 0 ? std::min(std::floor(draws.share() * size), size - 1) : draws.share();
    }
    return x;
  }

  void choose(const History& history, const Seen& seen) {
    const GaussianProcess process = model_of(history, seen);
    Eigen::Index best_at = 0;
    const double best = seen.values.minCoeff(&best_at);
    const GaussianProcess::Matrix points = points_of(seen.ended);
    Draws draws(options.seed, making, "points");
    GaussianProcess::Matrix looked_at(kCandidates + kNearby, points.cols());
    Eigen::Index added = 0;
    const auto add = [&](Vector x) {
      for (std::size_t d = 0; d < coordinates.size(); ++d) {
        double& at = x[static_cast<Eigen::Index>(d)];
        at = coordinates[d].nearest(at);
      }
      looked_at.row(added++) = x.transpose();
    };
    for (int i = 0; i < kCandidates; ++i) add(random_point(draws));
    for (int i = 0; i < kNearby; ++i) {
      Vector x = points.row(best_at).transpose();
      const double spread = std::pow(0.1, 1 + i % 4);
      for (std::size_t d = 0; d < coordinates.size(); ++d) {
        double& at = x[static_cast<Eigen::Index>(d)];
        if (!choices[d]) at = std::clamp(at + spread * draws.normal(), 0.0, 1.0);
      }
      add(std::move(x));
    }
    std::vector<std::pair<double, Vector>> candidates;
    const std::vector<GaussianProcess::Prediction> predictions = process.predict_all(looked_at);
    for (Eigen::Index i = 0; i < added; ++i) {
      const double value = gain(predictions[static_cast<std::size_t>(i)], best);
      if (std::isfinite(value)) candidates.emplace_back(value, looked_at.row(i).transpose());
    }
    if (candidates.empty()) return;
    const auto starts = std::min<std::size_t>(kStarts, candidates.size());
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(starts), candidates.end(),
                      [](const auto& a, const auto& b) { return a.first > b.first; });
    detail::Minimum least{candidates.front().second, -candidates.front().first};
    for (std::size_t i = 0; i < starts; ++i) {
      detail::Minimum found = improve(process, best, candidates[i].second);
      if (found.value < least.value) least = std::move(found);
    }
    for (std::size_t d = 0; d < coordinates.size(); ++d) {
      const detail::Column& column = known.columns()[d];
      chosen[column.name] = {column.distribution, coordinates[d].from(least.x[static_cast<Eigen::Index>(d)])};
    }
  }

  GpOptions options;
  RandomSearcher random;
  detail::HistoryColumns known;
  std::vector<Coordinate> coordinates;
  std::vector<bool> choices;
  Seen fit;  // what the logarithms are of
  Vector logs;
  int version = -1;  // of the columns that they are of
  // Of the trial that is being made:
  std::int64_t making = -1;
  std::map<std::string, std::pair<Distribution, double>, std::less<>> chosen;
};

GpSearcher::GpSearcher(GpOptions options) {
  if (options.startup_trials < 1) {
    throw Error(ErrorCode::invalid_argument, "GpSearcher: GpOptions::startup_trials is " +
                                                 std::to_string(options.startup_trials) + ". Next: give at least 1.");
  }
  impl_ = std::make_unique<Impl>(options);
}
GpSearcher::~GpSearcher() = default;

void GpSearcher::begin(const History& history, const TrialRecord& trial) {
  detail::require_one_objective(history, "GpSearcher");
  Impl& impl = *impl_;
  impl.making = trial.number;
  impl.chosen.clear();
  impl.known.update(history.trials);
  if (std::exchange(impl.version, impl.known.version()) != impl.known.version()) impl.logs.resize(0);
  impl.coordinates.clear();
  impl.choices.clear();
  for (const detail::Column& column : impl.known.columns()) {
    impl.coordinates.emplace_back(column.distribution);
    impl.choices.push_back(impl.coordinates.back().choices > 0);
  }
  if (impl.coordinates.empty()) return;
  const Impl::Seen seen = impl.look(history, history.trials.size());
  if (static_cast<std::int64_t>(seen.ended.size()) < impl.options.startup_trials) return;
  impl.choose(history, seen);
}

double GpSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  const auto chosen = impl_->chosen.find(name);
  if (trial.number == impl_->making && chosen != impl_->chosen.end() && chosen->second.first == distribution)
    return chosen->second.second;
  return impl_->random.suggest(trial, name, distribution);
}

}  // namespace manta::tune
