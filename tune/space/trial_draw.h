// Answers a space function: from what is stored of the trial, from the grids, from the searcher.
#pragma once

#include <string_view>
#include <vector>

#include <manta/tune/searcher.h>
#include <manta/tune/space.h>

#include "tune/space/grid_walk.h"

namespace manta::tune::detail {

// Threading: one thread. Ownership: what it is given outlives it; it fills trial.params.
class TrialDraw : public Draw {
 public:
  // stored: what the trial had in an earlier run, null for a new one. ended: it will not be run again, so that its
  // values are shown as they were, also where the space no longer allows them.
  TrialDraw(TrialRecord& trial, Searcher& searcher, GridWalk& grids, const std::vector<Param>* stored = nullptr,
            bool ended = false);
  ~TrialDraw() override;

  // Errors: throws Error(invalid_argument) where the name stood for something else before, or the searcher suggests
  // what is not in the distribution.
  Value draw(std::string_view name, Distribution distribution) override;

 private:
  Value add(std::string_view name, Distribution distribution, double number);

  TrialRecord& trial_;
  Searcher& searcher_;
  GridWalk& grids_;
  const std::vector<Param>* stored_;
  bool ended_;
};

}  // namespace manta::tune::detail
