#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/history_columns.h"
#include "tune/searchers/parzen.h"

namespace manta::tune {

using detail::Dimension;
using detail::Draws;
using detail::Parzen;

namespace {

constexpr std::size_t kMostGood = 25;

std::size_t good_of(std::size_t n) {
  return std::min(static_cast<std::size_t>(std::ceil(0.1 * static_cast<double>(n))), kMostGood);
}

double to_dimension(const Dimension& dimension, double number) {
  return dimension.choices > 0 ? number : dimension.scale.to(number);
}
double from_dimension(const Dimension& dimension, double at) {
  return dimension.choices > 0 ? at : dimension.scale.from(at);
}

}  // namespace

struct TpeSearcher::Impl {
  explicit Impl(const TpeOptions& given) : options(given), random(given.seed) {}

  // Numbers of trials, by age: the good ones and the others. Empty: too few have ended.
  struct Split {
    std::vector<std::size_t> good, others;
  };

  Split split(const History& history) const {
    std::vector<std::size_t> complete, stopped, running;
    for (std::size_t i = 0; i < history.trials.size(); ++i) {
      const TrialRecord& trial = history.trials[i];
      if (trial.params.empty() || trial.number == making) continue;
      if (trial.status == TrialStatus::complete && trial.value) complete.push_back(i);
      if (trial.status == TrialStatus::stopped) stopped.push_back(i);
      if (trial.status == TrialStatus::running) running.push_back(i);
    }
    const std::size_t ended = complete.size() + stopped.size();
    if (static_cast<std::int64_t>(ended) < options.startup_trials || ended == 0) return {};
    const double sign = history.mode == Mode::min ? 1 : -1;
    const auto by_value = [&](std::size_t a, std::size_t b) {
      return std::pair(sign * *history.trials[a].value, a) < std::pair(sign * *history.trials[b].value, b);
    };
    // One that was stopped is better the further it came, then by its last report.
    const auto by_course = [&](std::size_t a, std::size_t b) {
      const auto key = [&](std::size_t i) {
        const auto& reports = history.trials[i].reports;
        const double value =
            reports.empty() || std::isnan(reports.back().value) ? INFINITY : sign * reports.back().value;
        return std::tuple(reports.empty() ? 0 : -reports.back().iteration, value, i);
      };
      return key(a) < key(b);
    };
    std::sort(complete.begin(), complete.end(), by_value);
    std::sort(stopped.begin(), stopped.end(), by_course);
    complete.insert(complete.end(), stopped.begin(), stopped.end());
    const auto end_of_good = complete.begin() + static_cast<std::ptrdiff_t>(good_of(ended));
    Split split{{complete.begin(), end_of_good}, {end_of_good, complete.end()}};
    if (options.constant_liar) split.others.insert(split.others.end(), running.begin(), running.end());
    std::sort(split.good.begin(), split.good.end());
    std::sort(split.others.begin(), split.others.end());
    return split;
  }

  // What was observed of some trials, by dimension.
  struct Observed {
    std::vector<std::vector<double>> values;
    std::vector<Parzen::Order> orders;  // none: not known
  };

  // The best point of some that are drawn.
  std::vector<double> choose(Draws& draws, std::span<const Dimension> dimensions, const Observed& good,
                             const Observed& others) const {
    Parzen of_good(dimensions, good.values, good.orders), of_others(dimensions, others.values, others.orders);
    std::vector<double> best, point;
    double most = -INFINITY;
    for (int i = 0; i < options.candidates; ++i) {
      of_good.sample(draws, point);
      const double gain = of_good.log_density(point) - of_others.log_density(point);
      if (best.empty() || gain > most) {
        most = gain;
        best = point;
      }
    }
    for (std::size_t d = 0; d < dimensions.size(); ++d) best[d] = from_dimension(dimensions[d], best[d]);
    return best;
  }

  void choose_jointly() {
    const auto& columns = known.columns();
    if (columns.empty()) return;
    std::vector<Dimension> dimensions;
    for (const detail::Column& column : columns) dimensions.emplace_back(column.distribution);
    std::vector<std::uint32_t> place(trials.size());
    const auto observed = [&](const std::vector<std::size_t>& of) {
      constexpr std::uint32_t kNone = ~std::uint32_t{0};
      std::fill(place.begin(), place.end(), kNone);
      for (std::size_t i = 0; i < of.size(); ++i) place[of[i]] = static_cast<std::uint32_t>(i);
      Observed all{std::vector<std::vector<double>>(columns.size()), std::vector<Parzen::Order>(columns.size())};
      for (std::size_t d = 0; d < columns.size(); ++d) {
        for (const std::size_t i : of) all.values[d].push_back(to_dimension(dimensions[d], columns[d].numbers[i]));
        for (const std::uint32_t i : columns[d].order) {
          if (place[i] != kNone) all.orders[d].push_back(place[i]);
        }
      }
      return all;
    };
    Draws draws(options.seed, making, "");
    const std::vector<double> point = choose(draws, dimensions, observed(now.good), observed(now.others));
    for (std::size_t d = 0; d < columns.size(); ++d) joint[columns[d].name] = {columns[d].distribution, point[d]};
  }

  double choose_alone(std::string_view name, const Distribution& distribution) const {
    const Dimension dimension(distribution);
    const auto observed = [&](const std::vector<std::size_t>& of) {
      Observed all{std::vector<std::vector<double>>(1), {}};
      for (const std::size_t i : of) {
        const Param* param = detail::find_param(trials[i], name);
        if (param != nullptr && param->distribution.kind == distribution.kind && distribution.contains(param->number))
          all.values[0].push_back(to_dimension(dimension, param->number));
      }
      return all;
    };
    Draws draws(options.seed, making, name);
    return choose(draws, {&dimension, 1}, observed(now.good), observed(now.others))[0];
  }

  TpeOptions options;
  RandomSearcher random;
  detail::HistoryColumns known;
  // Of the trial that is being made:
  std::int64_t making = -1;
  std::span<const TrialRecord> trials;
  Split now;
  std::map<std::string, std::pair<Distribution, double>, std::less<>> joint;
};

TpeSearcher::TpeSearcher(TpeOptions options) {
  if (options.candidates < 1) {
    throw Error(ErrorCode::invalid_argument, "TpeSearcher: TpeOptions::candidates is " +
                                                 std::to_string(options.candidates) + ". Next: give at least 1.");
  }
  impl_ = std::make_unique<Impl>(options);
}
TpeSearcher::~TpeSearcher() = default;

void TpeSearcher::begin(const History& history, const TrialRecord& trial) {
  impl_->making = trial.number;
  impl_->trials = history.trials;
  impl_->known.update(history.trials);
  impl_->joint.clear();
  impl_->now = impl_->split(history);
  if (impl_->options.multivariate && !impl_->now.good.empty()) impl_->choose_jointly();
}

double TpeSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  if (trial.number != impl_->making || impl_->now.good.empty()) return impl_->random.suggest(trial, name, distribution);
  const auto chosen = impl_->joint.find(name);
  if (chosen != impl_->joint.end() && chosen->second.first == distribution) return chosen->second.second;
  return impl_->choose_alone(name, distribution);
}

}  // namespace manta::tune
