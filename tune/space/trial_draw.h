// Answers a space function: from what is stored of the trial, from the grids, from the searcher.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <manta/tune/searcher.h>
#include <manta/tune/space.h>

#include "tune/space/grid_walk.h"

namespace manta::tune::detail {

// Threading: one thread. Ownership: what it is given outlives it; it fills trial.params.
class TrialDraw : public Draw {
 public:
  // stored: what the trial had in an earlier run, null for a new one. ended: it will not be run again, so that its
  // values are shown as they were, also where the space no longer allows them. fixed: values that it is to try.
  TrialDraw(TrialRecord& trial, Searcher& searcher, GridWalk& grids, const std::vector<Param>* stored = nullptr,
            bool ended = false, const Params* fixed = nullptr);
  ~TrialDraw() override;

  // Errors: throws Error(invalid_argument) where the name stood for something else before, or the searcher suggests, or
  // the trial is to try, what is not in the distribution.
  Value draw(std::string_view name, Distribution distribution) override;
  // Throws Error(invalid_argument) where the trial is to try a parameter that was not drawn, or that is a grid.
  void require_all_tried() const;

 private:
  Value add(std::string_view name, Distribution distribution, double number);

  TrialRecord& trial_;
  Searcher& searcher_;
  GridWalk& grids_;
  const std::vector<Param>* stored_;
  const Params* fixed_;
  bool ended_;
  // Places by name, in the trial's and in the stored parameters.
  std::unordered_map<std::string, std::size_t> drawn_at_, stored_at_;
};

}  // namespace manta::tune::detail
