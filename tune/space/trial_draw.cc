#include "tune/space/trial_draw.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::tune::detail {

namespace {

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

// A value that the trial is to try, as a number of the distribution. Python's numbers stand for each other.
double number_of(std::string_view name, const Distribution& distribution, const Value& value) {
  const auto plain = [](const Value& held) -> std::optional<double> {
    if (const auto* flag = std::get_if<bool>(&held)) return *flag ? 1 : 0;
    if (const auto* whole = std::get_if<std::int64_t>(&held)) return static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&held)) return *real;
    return std::nullopt;
  };
  const std::optional<double> number = plain(value);
  if (distribution.kind == Distribution::Kind::categorical) {
    const std::vector<Value>& choices = *distribution.choices;
    for (std::size_t at = 0; at < choices.size(); ++at) {
      if (choices[at] == value || (number && plain(choices[at]) == number)) return static_cast<double>(at);
    }
  } else if (number && distribution.contains(*number)) {
    return *number;
  }
  throw Error(ErrorCode::invalid_argument, "Space: the trial is to try the value " + to_string(value) + " for '" +
                                               std::string(name) +
                                               "', which is not in its range. Next: give a value that is.");
}

}  // namespace

TrialDraw::TrialDraw(TrialRecord& trial, Searcher& searcher, GridWalk& grids, const std::vector<Param>* stored,
                     bool ended, const Params* fixed)
    : trial_(trial), searcher_(searcher), grids_(grids), stored_(stored), fixed_(fixed), ended_(ended) {
  if (stored == nullptr) return;
  for (const Param& param : *stored) stored_at_.emplace(param.name, stored_at_.size());
}
TrialDraw::~TrialDraw() = default;

Value TrialDraw::add(std::string_view name, Distribution distribution, double number) {
  drawn_at_.emplace(name, trial_.params.size());
  trial_.params.push_back({std::string(name), std::move(distribution), number});
  return trial_.params.back().value();
}

Value TrialDraw::draw(std::string_view name, Distribution distribution) {
  const std::string key(name);
  if (const auto before = drawn_at_.find(key); before != drawn_at_.end()) {
    const Param& param = trial_.params[before->second];
    if (param.distribution == distribution) return param.value();
    throw Error(ErrorCode::invalid_argument,
                "Space: parameter '" + std::string(name) +
                    "' is asked for twice in one trial, "
                    "the second time with another range. Next: give each parameter a name of its own.");
  }
  const auto place = stored_at_.find(key);
  const Param* stored = place == stored_at_.end() ? nullptr : &(*stored_)[place->second];
  std::optional<double> known = stored == nullptr ? std::nullopt : number_in(distribution, *stored);
  if (!known && fixed_ != nullptr && fixed_->contains(key)) known = number_of(name, distribution, fixed_->at(key));
  if (distribution.grid) {
    const std::size_t size = distribution.choices->size();
    if (!known && stored != nullptr && ended_) {  // a value that the grid no longer has
      grids_.put(name, size, 0);
      return stored->value();
    }
    const std::size_t at = known ? static_cast<std::size_t>(*known) : grids_.take(name, size);
    if (known) grids_.put(name, size, at);
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

void TrialDraw::require_all_tried() const {
  if (fixed_ == nullptr) return;
  for (const auto& [name, value] : *fixed_) {
    const auto drawn_at = drawn_at_.find(name);
    if (drawn_at != drawn_at_.end() && !trial_.params[drawn_at->second].distribution.grid) continue;
    if (drawn_at != drawn_at_.end()) {
      throw Error(ErrorCode::invalid_argument, "Space: the trial is to try " + to_string(value) + " for '" + name +
                                                   "', which is a grid: all its values are tried in their order. "
                                                   "Next: leave it out.");
    }
    std::string drawn;
    for (const Param& param : trial_.params) drawn += (drawn.empty() ? "" : ", ") + param.name;
    throw Error(ErrorCode::invalid_argument, "Space: the trial is to try " + to_string(value) + " for '" + name +
                                                 "', which the space function does not ask for; it asks for: " + drawn +
                                                 ". Next: give a name of these, or values with which it asks for it.");
  }
}

}  // namespace manta::tune::detail
