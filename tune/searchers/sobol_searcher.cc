#include <cstddef>
#include <memory>
#include <string>

#include <manta/error.h>
#include <manta/tune/searcher.h>

#include "tune/searchers/sequence.h"
#include "tune/searchers/sobol.h"

namespace manta::tune {

struct SobolSearcher::Impl {
  std::uint64_t seed = 0;
  detail::Sequence<detail::Sobol> sequence;

  detail::Sobol operator()(std::size_t dimension) const {
    if (dimension < detail::Sobol::kMostDimensions) return {dimension, seed};
    throw Error(ErrorCode::invalid_argument, "SobolSearcher: the study has more than " +
                                                 std::to_string(detail::Sobol::kMostDimensions) +
                                                 " parameters. Next: use HaltonSearcher.");
  }
};

SobolSearcher::SobolSearcher(std::uint64_t seed) : impl_(std::make_unique<Impl>(Impl{seed, {}})) {}
SobolSearcher::~SobolSearcher() = default;

void SobolSearcher::begin(const History& history, const TrialRecord&) { impl_->sequence.update(history, *impl_); }

double SobolSearcher::suggest(const TrialRecord& trial, std::string_view name, const Distribution& distribution) {
  return impl_->sequence.number(trial.number, name, distribution, *impl_);
}

}  // namespace manta::tune
