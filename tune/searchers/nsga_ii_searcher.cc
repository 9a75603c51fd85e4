#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/report/text.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/draws.h"
#include "tune/searchers/fronts.h"
#include "tune/searchers/history_columns.h"

namespace manta::tune {

using detail::Draws;
using detail::Losses;

struct NsgaIISearcher::Impl {
  using Places = std::vector<std::size_t>;  // of trials, by number

  explicit Impl(const NsgaIIOptions& given) : options(given), random(given.seed) {}

  // The best of some trials.
  Places elite_of(const History& history, const Places& from) const {
    const auto size = static_cast<std::size_t>(options.population);
    if (from.size() <= size) return from;
    std::vector<Losses> losses;
    std::vector<double> violations;
    for (const std::size_t i : from) {
      losses.push_back(detail::losses_of(history.trials[i], detail::modes_of(history)));
      violations.push_back(violation_of(history.trials[i]));
    }
    const std::vector<int> fronts = detail::fronts_of(losses, violations);
    Places elite;
    for (int front = 0; elite.size() < size; ++front) {
      Places members;
      std::vector<Losses> points;
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (fronts[i] != front) continue;
        members.push_back(from[i]);
        points.push_back(losses[i]);
      }
      const std::vector<double> distances = detail::crowding_of(points);
      Places order(members.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return distances[a] > distances[b]; });
      for (const std::size_t i : order) {
        if (elite.size() < size) elite.push_back(members[i]);
      }
    }
    std::sort(elite.begin(), elite.end());
    return elite;
  }

  // The parents of a generation: the best of the parents of the one before, and of its trials.
  Places parents_of(const History& history, std::size_t generation) {
    const auto size = static_cast<std::size_t>(options.population);
    const std::size_t objectives = detail::modes_of(history).size();
    Places parents = known.empty() ? Places() : known.back();
    for (std::size_t g = known.size(); g < generation; ++g) {
      Places from = parents;
      bool all_ended = true;
      for (std::size_t i = g * size; i < std::min((g + 1) * size, history.trials.size()); ++i) {
        const TrialRecord& trial = history.trials[i];
        all_ended = all_ended && trial.status != TrialStatus::running;
        if (trial.status == TrialStatus::complete && detail::has_values(trial, objectives)) from.push_back(i);
      }
      parents = elite_of(history, from);
      if (all_ended && known.size() == g) known.push_back(parents);
    }
    return parents;
  }

  bool is_better(const History& history, std::size_t a, std::size_t b) const {
    const double of_a = violation_of(history.trials[a]), of_b = violation_of(history.trials[b]);
    if (of_a > 0 || of_b > 0) return of_a < of_b;
    const std::span<const Mode> modes = detail::modes_of(history);
    return detail::dominates(detail::losses_of(history.trials[a], modes), detail::losses_of(history.trials[b], modes));
  }

  std::size_t parent(const History& history, const Places& from, Draws& draws) const {
    const std::size_t a = from[draws.bits() % from.size()], b = from[draws.bits() % from.size()];
    return is_better(history, a, b) ? a : b;
  }

  void make_child(const History& history, Places parents) {
    // Those that have all parameters: others are another program's.
    const auto lacks = [&](std::size_t i) {
      return std::any_of(columns.columns().begin(), columns.columns().end(),
                         [i](const detail::Column& column) { return std::isnan(column.numbers[i]); });
    };
    std::erase_if(parents, lacks);
    if (parents.empty() || columns.columns().empty()) return;
    Draws draws(options.seed, making, "child");
    std::size_t first = parents[draws.bits() % parents.size()], second = first;
    if (draws.share() < options.crossover_probability) {
      first = parent(history, parents, draws);
      std::erase(parents, first);
      second = parents.empty() ? first : parent(history, parents, draws);
    }
    const double mutation = options.mutation_probability.value_or(1 / static_cast<double>(columns.columns().size()));
    for (const detail::Column& column : columns.columns()) {
      const bool swaps = draws.share() < options.swapping_probability;
      if (draws.share() < mutation) continue;  // drawn at random
      child[column.name] = {column.distribution, column.numbers[swaps ? second : first]};
    }
  }

  NsgaIIOptions options;
  RandomSearcher random;
  detail::HistoryColumns columns;
  std::vector<Places> known;  // parents of the generations from the second on, of which all trials before have ended
  // Of the trial that is being made:
  std::int64_t making = -1;
  std::map<std::string, std::pair<Distribution, double>, std::less<>> child;
};

NsgaIISearcher::NsgaIISearcher(NsgaIIOptions options) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, "NsgaIISearcher: NsgaIIOptions::" + what);
  };
  if (options.population < 2)
    refuse("population is " + std::to_string(options.population) + ". Next: give at least 2.");
  for (const double each :
       {options.crossover_probability, options.swapping_probability, options.mutation_probability.value_or(0)}) {
    if (!(each >= 0 && each <= 1))
      refuse("a probability is " + report::as_number(each) + ". Next: give a number from 0 to 1.");
  }
  impl_ = std::make_unique<Impl>(options);
}
NsgaIISearcher::~NsgaIISearcher() = default;

void NsgaIISearcher::begin(const History& history, const TrialRecord& trial) {
  impl_->making = trial.number;
  impl_->child.clear();
  impl_->columns.update(history.trials);
  const std::size_t generation =
      static_cast<std::size_t>(trial.number) / static_cast<std::size_t>(impl_->options.population);
  if (generation > 0) impl_->make_child(history, impl_->parents_of(history, generation));
}

double NsgaIISearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  const auto chosen = impl_->child.find(name);
  if (trial.number == impl_->making && chosen != impl_->child.end() && chosen->second.first == distribution)
    return chosen->second.second;
  return impl_->random.suggest(trial, name, distribution);
}

}  // namespace manta::tune
