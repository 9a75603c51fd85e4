#include "tune/searchers/history_columns.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tune/searchers/scale.h"

namespace manta::tune::detail {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

const Param* find_param(const TrialRecord& trial, std::string_view name) {
  const auto found =
      std::find_if(trial.params.begin(), trial.params.end(), [&](const Param& param) { return param.name == name; });
  return found == trial.params.end() ? nullptr : &*found;
}

void HistoryColumns::take(const TrialRecord& trial) {
  const auto place = static_cast<std::size_t>(trial.number);
  if (!std::exchange(any_, true)) {
    for (const Param& param : trial.params) {
      if (!param.distribution.grid) columns_.push_back({param.name, param.distribution, {}, {}, {}});
    }
  }
  const std::size_t before = columns_.size();
  std::size_t next = 0;  // trials ask in the same order, mostly
  std::erase_if(columns_, [&](Column& column) {
    const Param* param = next < trial.params.size() && trial.params[next].name == column.name
                             ? &trial.params[next]
                             : find_param(trial, column.name);
    if (param == nullptr || !(param->distribution == column.distribution)) return true;
    next = static_cast<std::size_t>(param - trial.params.data()) + 1;
    if (column.numbers.size() <= place) column.numbers.resize(place + 1, kNone);
    if (column.scaled.size() <= place) column.scaled.resize(place + 1, kNone);
    column.numbers[place] = param->number;
    const bool choice = column.distribution.kind == Distribution::Kind::categorical;
    column.scaled[place] = choice ? param->number : Scale(column.distribution).to(param->number);
    const auto before_other = [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(column.numbers[a], a) < std::pair(column.numbers[b], b);
    };
    const auto trial_at = static_cast<std::uint32_t>(place);
    column.order.insert(std::upper_bound(column.order.begin(), column.order.end(), trial_at, before_other), trial_at);
    return false;
  });
  if (columns_.size() != before) ++version_;
}

void HistoryColumns::update(std::span<const TrialRecord> trials) {
  for (; seen_ < trials.size(); ++seen_) without_.push_back(seen_);
  std::erase_if(without_, [&](std::size_t at) {
    const bool ended = trials[at].status != TrialStatus::running;
    if (trials[at].params.empty()) return ended;
    if (trials[at].status != TrialStatus::failed) take(trials[at]);
    return true;
  });
  for (Column& column : columns_) {
    column.numbers.resize(trials.size(), kNone);
    column.scaled.resize(trials.size(), kNone);
  }
}

}  // namespace manta::tune::detail
