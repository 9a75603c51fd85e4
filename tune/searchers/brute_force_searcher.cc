#include <cstddef>
#include <memory>
#include <vector>

#include <manta/tune/searcher.h>

#include "tune/searchers/configuration_tree.h"
#include "tune/searchers/draws.h"

namespace manta::tune {

struct BruteForceSearcher::Impl {
  std::uint64_t seed = 0;
  detail::ConfigurationTree tree;
  std::size_t seen = 0;
  std::vector<std::size_t> without;  // trials of other programs whose parameters are not known

  void update(const History& history) {
    for (; seen < history.trials.size(); ++seen) without.push_back(seen);
    std::erase_if(without, [&](std::size_t at) {
      const TrialRecord& trial = history.trials[at];
      if (trial.params.empty() && trial.status == TrialStatus::running) return false;
      tree.add(trial.params);
      return true;
    });
  }
};

BruteForceSearcher::BruteForceSearcher(std::uint64_t seed) : impl_(std::make_unique<Impl>(Impl{seed, {}, 0, {}})) {}
BruteForceSearcher::~BruteForceSearcher() = default;

void BruteForceSearcher::begin(const History& history, const TrialRecord&) { impl_->update(history); }

double BruteForceSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  detail::Draws draws(impl_->seed, trial.number, name);
  return impl_->tree.choose(trial.params, name, distribution, draws);
}

bool BruteForceSearcher::exhausted(const History& history) {
  impl_->update(history);
  return impl_->tree.exhausted();
}

}  // namespace manta::tune
