// Several objectives: which trials none is better than, and how good they are together.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <manta/tune/trial_record.h>

namespace manta::tune {

/// The places of the complete trials that keep their constraints and that no other such trial dominates: is as good as
/// in each objective, and better in one. Of one objective: the best ones. In the order of the trials.
///
/// modes: of each objective. O(n * front) for n trials.
std::vector<std::size_t> pareto_front(std::span<const TrialRecord> trials, std::span<const Mode> modes);

/// The volume of what some points dominate, up to a reference point: larger is better. Each objective counts by its
/// mode; points that are not better than the reference in each objective add nothing.
///
/// O(n log n) for two objectives, O(n^(objectives - 1)) for more. Throws Error(invalid_argument) where points,
/// reference and modes have different sizes.
double hypervolume(const std::vector<std::vector<double>>& points, const std::vector<double>& reference,
                   std::span<const Mode> modes);

}  // namespace manta::tune
