#include "tune/space/trial_draw.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::tune::detail {

namespace {

const Param* find(const std::vector<Param>& params, std::string_view name) {
  const auto at = std::find_if(params.begin(), params.end(), [&](const Param& each) { return each.name == name; });
  return at == params.end() ? nullptr : &*at;
}

// The stored value as a number of the distribution, which may have changed since.
std::optional<double> number_in(const Distribution& distribution, const Param& stored) {
  if (distribution.kind == Distribution::Kind::categorical) {
    const auto at = std::find(distribution.choices->begin(), distribution.choices->end(), stored.value());
    if (at == distribution.choices->end()) return std::nullopt;
    return static_cast<double>(at - distribution.choices->begin());
  }
  if (stored.distribution.kind == Distribution::Kind::categorical || !distribution.contains(stored.number)) {
    return std::nullopt;
  }
  return stored.number;
}

}  // namespace

TrialDraw::TrialDraw(TrialRecord& trial, Searcher& searcher, GridWalk& grids, const std::vector<Param>* stored,
                     bool ended)
    : trial_(trial), searcher_(searcher), grids_(grids), stored_(stored), ended_(ended) {}
TrialDraw::~TrialDraw() = default;

Value TrialDraw::add(std::string_view name, Distribution distribution, double number) {
  trial_.params.push_back({std::string(name), std::move(distribution), number});
  return trial_.params.back().value();
}

Value TrialDraw::draw(std::string_view name, Distribution distribution) {
  if (const Param* before = find(trial_.params, name)) {
    if (before->distribution == distribution) return before->value();
    throw Error(ErrorCode::invalid_argument,
                "Space: parameter '" + std::string(name) +
                    "' is asked for twice in one trial, "
                    "the second time with another range. Next: give each parameter a name of its own.");
  }
  const Param* stored = stored_ == nullptr ? nullptr : find(*stored_, name);
  const std::optional<double> known = stored == nullptr ? std::nullopt : number_in(distribution, *stored);
  if (distribution.grid) {
    const std::size_t size = distribution.choices->size();
    if (!known && stored != nullptr && ended_) {  // a value that the grid no longer has
      grids_.put(name, size, 0);
      return stored->value();
    }
    std::size_t at = 0;
    if (known) {
      at = static_cast<std::size_t>(known.value());
      grids_.put(name, size, at);
    } else {
      at = grids_.take(name, size);
    }
    return add(name, std::move(distribution), static_cast<double>(at));
  }
  if (known) return add(name, std::move(distribution), known.value());
  if (stored != nullptr && ended_) return stored->value();
  const double number = searcher_.suggest(trial_, name, distribution);
  if (!distribution.contains(number)) {
    throw Error(ErrorCode::invalid_argument,
                "Space: the searcher suggests " + report::as_number(number) + " for '" + std::string(name) +
                    "', which is not in its range. Next: see Searcher::suggest for what it returns.");
  }
  return add(name, std::move(distribution), number);
}

}  // namespace manta::tune::detail
