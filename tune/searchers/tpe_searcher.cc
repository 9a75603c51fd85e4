#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/fronts.h"
#include "tune/searchers/history_columns.h"
#include "tune/searchers/parzen.h"

namespace manta::tune {

using detail::Dimension;
using detail::Draws;
using detail::Parzen;

namespace {

constexpr std::size_t kMostGood = 25;

std::size_t good_of(std::size_t n, bool of_several_objectives) {
  const auto tenth = static_cast<std::size_t>(std::ceil(0.1 * static_cast<double>(n)));
  return of_several_objectives ? tenth : std::min(tenth, kMostGood);
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
    std::vector<std::uint32_t> good, others;
  };

  // A trial's place among those that have ended, the best first: complete ones by value; those that were stopped behind
  // them, the further they came the better, then by their last report; then those that break constraints.
  struct Rank {
    int group = 0;
    double first = 0, second = 0;
    std::size_t trial = 0;
    bool operator<(const Rank& other) const {
      return std::tie(group, first, second, trial) < std::tie(other.group, other.first, other.second, other.trial);
    }
  };
  static Rank rank_of(const TrialRecord& trial, std::size_t at, double sign) {
    if (const double violation = violation_of(trial); violation > 0) return {2, violation, 0, at};
    if (trial.status == TrialStatus::complete) return {0, sign * *trial.value, 0, at};
    if (trial.reports.empty()) return {1, 0, INFINITY, at};
    const Intermediate& last = trial.reports.back();
    return {1, -static_cast<double>(last.iteration), std::isnan(last.value) ? INFINITY : sign * last.value, at};
  }

  // Of several objectives: the complete ones that are among the best come first, whatever their values.
  static void rank_by_volume(const History& history, std::size_t good, std::vector<Rank>& ended) {
    std::vector<Rank*> complete;
    std::vector<detail::Losses> losses;
    for (Rank& rank : ended) {
      if (rank.group != 0) continue;
      complete.push_back(&rank);
      losses.push_back(detail::losses_of(history.trials[rank.trial], history.modes));
      rank.first = 1;
    }
    for (const std::size_t i : detail::best_by_volume(losses, std::min(good, losses.size()))) complete[i]->first = 0;
  }

  Split split(const History& history) const {
    std::vector<Rank> ended;
    std::vector<char> other(history.trials.size());
    const double sign = history.mode == Mode::min ? 1 : -1;
    const std::size_t objectives = detail::modes_of(history).size();
    for (std::size_t i = 0; i < history.trials.size(); ++i) {
      const TrialRecord& trial = history.trials[i];
      if (trial.params.empty() || trial.number == making || trial.status == TrialStatus::failed) continue;
      if (trial.status == TrialStatus::running) {
        other[i] = options.constant_liar;
      } else if (trial.status == TrialStatus::stopped || detail::has_values(trial, objectives)) {
        ended.push_back(rank_of(trial, i, sign));
      }
    }
    if (static_cast<std::int64_t>(ended.size()) < options.startup_trials || ended.empty()) return {};
    const std::size_t good = good_of(ended.size(), objectives > 1);
    if (objectives > 1) rank_by_volume(history, good, ended);
    std::nth_element(ended.begin(), ended.begin() + static_cast<std::ptrdiff_t>(good - 1), ended.end());
    Split split;
    for (std::size_t i = 0; i < ended.size(); ++i) {
      if (i < good) split.good.push_back(static_cast<std::uint32_t>(ended[i].trial));
      if (i >= good) other[ended[i].trial] = 1;
    }
    std::sort(split.good.begin(), split.good.end());
    for (std::size_t i = 0; i < other.size(); ++i) {
      if (other[i] != 0) split.others.push_back(static_cast<std::uint32_t>(i));
    }
    return split;
  }

  // The best point of some that are drawn.
  std::vector<double> choose(Draws& draws, std::span<const Dimension> dimensions, Parzen& good, Parzen& others) const {
    const std::size_t size = dimensions.size();
    std::vector<double> points(static_cast<std::size_t>(options.candidates) * size);
    for (std::size_t at = 0; at < points.size(); at += size) good.sample(draws, std::span(points).subspan(at, size));
    const std::vector<double> by_good = good.log_densities(points), by_others = others.log_densities(points);
    std::size_t best = 0;
    for (std::size_t i = 1; i < by_good.size(); ++i) {
      if (by_good[i] - by_others[i] > by_good[best] - by_others[best]) best = i;
    }
    std::vector<double> chosen(size);
    for (std::size_t d = 0; d < size; ++d) chosen[d] = from_dimension(dimensions[d], points[best * size + d]);
    return chosen;
  }

  // Into `all`, whose space is used again.
  void observe(const std::vector<std::uint32_t>& of, bool in_order, Parzen::Observations& all) const {
    const auto& columns = known.columns();
    all.values.resize(columns.size());
    all.trials = of;
    for (std::size_t d = 0; d < columns.size(); ++d) {
      const double* const scaled = columns[d].scaled.data();
      std::vector<double>& values = all.values[d];
      values.resize(of.size());
      for (std::size_t i = 0; i < of.size(); ++i) values[i] = scaled[of[i]];
    }
    if (!in_order) return;
    constexpr std::uint32_t kNone = ~std::uint32_t{0};
    std::vector<std::uint32_t> place(trials.size(), kNone);
    for (std::size_t i = 0; i < of.size(); ++i) place[of[i]] = static_cast<std::uint32_t>(i);
    all.orders.resize(columns.size());
    for (std::size_t d = 0; d < columns.size(); ++d) {
      Parzen::Order& order = all.orders[d];
      order.resize(columns[d].order.size());
      std::size_t size = 0;
      for (const std::uint32_t i : columns[d].order) {
        order[size] = place[i];
        size += place[i] != kNone ? 1 : 0;
      }
      order.resize(size);
    }
  }

  void choose_jointly() {
    const auto& columns = known.columns();
    if (columns.empty()) return;
    std::vector<Dimension> dimensions;
    for (const detail::Column& column : columns) dimensions.emplace_back(column.distribution);
    if (version != known.version()) memory.known.clear();
    version = known.version();
    memory.known.resize(columns.size());
    for (auto& column : memory.known) column.resize(trials.size());
    Draws draws(options.seed, making, "");
    observe(now.good, false, of_good);
    observe(now.others, true, of_others);
    Parzen good(dimensions, of_good), others(dimensions, of_others, &memory);
    const std::vector<double> point = choose(draws, dimensions, good, others);
    for (std::size_t d = 0; d < columns.size(); ++d) joint[columns[d].name] = {columns[d].distribution, point[d]};
  }

  double choose_alone(std::string_view name, const Distribution& distribution) const {
    const Dimension dimension(distribution);
    const auto density = [&](const std::vector<std::uint32_t>& of) {
      Parzen::Observations all{std::vector<std::vector<double>>(1), {}, {}};
      for (const std::uint32_t i : of) {
        const Param* param = detail::find_param(trials[i], name);
        if (param != nullptr && param->distribution.kind == distribution.kind && distribution.contains(param->number))
          all.values[0].push_back(to_dimension(dimension, param->number));
      }
      return Parzen({&dimension, 1}, all);
    };
    Draws draws(options.seed, making, name);
    Parzen good = density(now.good), others = density(now.others);
    return choose(draws, {&dimension, 1}, good, others)[0];
  }

  TpeOptions options;
  RandomSearcher random;
  detail::HistoryColumns known;
  int version = -1;
  Parzen::Memory memory;  // of the others' estimator
  Parzen::Observations of_good, of_others;
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
  const bool jointly = impl_->options.multivariate.value_or(history.modes.size() <= 1);
  if (jointly && !impl_->now.good.empty()) impl_->choose_jointly();
}

double TpeSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  if (trial.number != impl_->making || impl_->now.good.empty()) return impl_->random.suggest(trial, name, distribution);
  const auto chosen = impl_->joint.find(name);
  if (chosen != impl_->joint.end() && chosen->second.first == distribution) return chosen->second.second;
  return impl_->choose_alone(name, distribution);
}

}  // namespace manta::tune
