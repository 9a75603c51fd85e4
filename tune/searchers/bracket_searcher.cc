#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <manta/error.h>
#include <manta/tune/scheduler.h>
#include <manta/tune/searcher.h>

namespace manta::tune {

struct BracketSearcher::Impl {
  // What a bracket's searcher sees: all trials, those of other brackets as failed ones without parameters, so that each
  // is at its number.
  struct Bracket {
    std::shared_ptr<Searcher> searcher;
    std::vector<TrialRecord> trials;
    std::vector<std::size_t> open;  // that had not ended when they were copied
  };

  Bracket& bracket_of(const TrialRecord& trial) {
    return brackets[static_cast<std::size_t>(scheduler->bracket_of(trial.number))];
  }

  void update(Bracket& bracket, const History& history) {
    const auto copy = [&](std::size_t at) {
      bracket.trials[at] = history.trials[at];
      return history.trials[at].status != TrialStatus::running;
    };
    std::erase_if(bracket.open, copy);
    for (std::size_t at = bracket.trials.size(); at < history.trials.size(); ++at) {
      bracket.trials.push_back({.number = history.trials[at].number, .status = TrialStatus::failed});
      if (&bracket_of(history.trials[at]) == &bracket && !copy(at)) bracket.open.push_back(at);
    }
  }

  std::shared_ptr<const HyperBand> scheduler;
  std::vector<Bracket> brackets;
};

BracketSearcher::BracketSearcher(std::shared_ptr<const HyperBand> scheduler,
                                 const std::function<std::shared_ptr<Searcher>(int bracket)>& make)
    : impl_(std::make_unique<Impl>()) {
  if (!scheduler)
    throw Error(ErrorCode::invalid_argument,
                "BracketSearcher: there is no scheduler. Next: give the tuner's HyperBand.");
  impl_->scheduler = std::move(scheduler);
  for (int b = 0; b < impl_->scheduler->brackets(); ++b) {
    impl_->brackets.push_back({make(b), {}, {}});
    if (impl_->brackets.back().searcher) continue;
    throw Error(ErrorCode::invalid_argument,
                "BracketSearcher: a bracket has no searcher. Next: let `make` return one.");
  }
}
BracketSearcher::~BracketSearcher() = default;

void BracketSearcher::begin(const History& history, const TrialRecord& trial) {
  Impl::Bracket& bracket = impl_->bracket_of(trial);
  impl_->update(bracket, history);
  bracket.searcher->begin({bracket.trials, history.mode}, trial);
}

double BracketSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  return impl_->bracket_of(trial).searcher->suggest(trial, name, distribution);
}

bool BracketSearcher::learns() const {
  return std::any_of(impl_->brackets.begin(), impl_->brackets.end(),
                     [](const Impl::Bracket& each) { return each.searcher->learns(); });
}

}  // namespace manta::tune
