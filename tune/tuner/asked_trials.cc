#include <algorithm>
#include <cmath>
#include <string>

#include <manta/error.h>
#include <manta/tune/ask_tell.h>

#include "tune/space/grid_walk.h"
#include "tune/space/trial_draw.h"

namespace manta::tune::detail {

struct AskedTrials::Impl {
  AskTellOptions options;
  std::vector<TrialRecord> trials;
  GridWalk grids;
  std::ptrdiff_t best = -1;

  History history() const {
    const std::vector<Mode>& modes = options.modes;
    return {trials, options.mode, modes.size() > 1 ? std::span<const Mode>(modes) : std::span<const Mode>()};
  }
};

AskedTrials::AskedTrials(AskTellOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  if (!impl_->options.modes.empty()) impl_->options.mode = impl_->options.modes.front();
  if (!impl_->options.searcher) impl_->options.searcher = std::make_shared<RandomSearcher>(impl_->options.seed);
}
AskedTrials::~AskedTrials() = default;
AskedTrials::AskedTrials(AskedTrials&&) noexcept = default;
AskedTrials& AskedTrials::operator=(AskedTrials&&) noexcept = default;

std::int64_t AskedTrials::ask(const Program& program) {
  Impl& impl = *impl_;
  if (exhausted()) {
    throw Error(ErrorCode::exhausted, "AskTell: after " + std::to_string(impl.trials.size()) +
                                          " trials the searcher has nothing more to suggest. Next: ask only while "
                                          "exhausted() is false.");
  }
  TrialRecord trial{.number = static_cast<std::int64_t>(impl.trials.size())};
  const std::vector<Params>& first = impl.options.try_first;
  const bool tries = static_cast<std::size_t>(trial.number) < first.size();
  TrialDraw draw(trial, *impl.options.searcher, impl.grids, nullptr, false,
                 tries ? &first[static_cast<std::size_t>(trial.number)] : nullptr);
  Space space(draw);
  impl.options.searcher->begin(impl.history(), trial);
  impl.grids.begin();
  program.configure(space, trial.number);
  if (tries) draw.require_all_tried();
  (void)impl.grids.end();
  impl.trials.push_back(std::move(trial));
  return impl.trials.back().number;
}

void AskedTrials::tell(std::int64_t number, TrialStatus status, std::vector<double> values, Constraints constraints) {
  Impl& impl = *impl_;
  if (number < 0 || number >= static_cast<std::int64_t>(impl.trials.size())) {
    throw Error(ErrorCode::invalid_argument, "AskTell: trial " + std::to_string(number) + " is not one of the " +
                                                 std::to_string(impl.trials.size()) +
                                                 " that were asked for. Next: give the number that ask() returned.");
  }
  TrialRecord& trial = impl.trials[static_cast<std::size_t>(number)];
  if (trial.status != TrialStatus::running) {
    throw Error(ErrorCode::invalid_argument, "AskTell: trial " + std::to_string(number) +
                                                 " has a result already. Next: give each trial one result.");
  }
  const std::size_t objectives = std::max<std::size_t>(1, impl.options.modes.size());
  if (status == TrialStatus::complete && values.size() != objectives) {
    throw Error(ErrorCode::invalid_argument, "AskTell: trial " + std::to_string(number) + " is given " +
                                                 std::to_string(values.size()) + " values, and the study has " +
                                                 std::to_string(objectives) + " objectives. Next: give one of each.");
  }
  const bool is_nan = std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
  trial.status = is_nan ? TrialStatus::failed : status;
  trial.constraints = std::move(constraints);
  if (trial.status != TrialStatus::complete) return;
  const double value = values.front();
  trial.value = value;
  if (objectives > 1) trial.values = std::move(values);
  if (objectives > 1 || violation_of(trial) > 0) return;
  const double sign = impl.options.mode == Mode::min ? 1 : -1;
  const TrialRecord* best = this->best();
  if (best == nullptr || sign * value < sign * *best->value || (value == *best->value && number < best->number))
    impl.best = number;
}

std::span<const Mode> AskedTrials::modes() const {
  const AskTellOptions& options = impl_->options;
  return options.modes.empty() ? std::span(&options.mode, 1) : std::span<const Mode>(options.modes);
}
bool AskedTrials::exhausted() const { return impl_->options.searcher->exhausted(impl_->history()); }
const std::vector<TrialRecord>& AskedTrials::all() const { return impl_->trials; }
const TrialRecord* AskedTrials::best() const {
  return impl_->best < 0 ? nullptr : &impl_->trials[static_cast<std::size_t>(impl_->best)];
}

}  // namespace manta::tune::detail
