// The reports of one trial so far.
//
// Threading: one thread. Ownership: a value.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>

namespace manta::tune::detail {

class Course {
 public:
  // A trial that is run again reports from there anew. NaN counts as -infinity.
  void add(std::int64_t iteration, double score) {
    scores_.erase(scores_.lower_bound(iteration), scores_.end());
    scores_.emplace(iteration, std::isnan(score) ? -INFINITY : score);
  }
  const std::map<std::int64_t, double>& scores() const { return scores_; }
  double best() const {
    double best = -INFINITY;
    for (const auto& [iteration, score] : scores_) best = std::max(best, score);
    return best;
  }

 private:
  std::map<std::int64_t, double> scores_;  // by iteration
};

// Whether a report is a trial's first in its interval: of those that begin at `from`, and are `length` long. Its last
// report before: a smaller iteration; any below `from` where there is none.
inline bool is_first_in_interval(std::int64_t iteration, std::int64_t before, std::int64_t from, std::int64_t length) {
  return iteration >= from && before < from + (iteration - from) / length * length;
}

}  // namespace manta::tune::detail
