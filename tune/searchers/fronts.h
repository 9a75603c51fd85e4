// Sorting trials by several objectives, all to be minimised.
//
// Threading: any. Ownership: none.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <manta/tune/searcher.h>

namespace manta::tune::detail {

using Losses = std::vector<double>;  // of one trial, an objective each; not NaN

// The losses of a trial that has values.
Losses losses_of(const TrialRecord& trial, std::span<const Mode> modes);
// The study's: one for each objective.
inline std::span<const Mode> modes_of(const History& history) {
  return history.modes.empty() ? std::span(&history.mode, 1) : history.modes;
}
// Whether the trial has a value of each objective.
bool has_values(const TrialRecord& trial, std::size_t objectives);
// Throws Error(invalid_argument) where there are several objectives.
void require_one_objective(const History& history, const char* searcher);

// Whether a is as good as b in each, and better in one.
bool dominates(std::span<const double> a, std::span<const double> b);

// The front of each: 0 of those that none dominates, 1 of those that only these dominate, and so on (Zhang et al., "An
// Efficient Approach to Nondominated Sorting", 2015). With violations, those above 0 come behind all others, the
// smallest first.
std::vector<int> fronts_of(const std::vector<Losses>& losses, const std::vector<double>& violations = {});

// How far the neighbours of each point of a front are, as NSGA-II has it: infinite at the ends.
std::vector<double> crowding_of(const std::vector<Losses>& front);

// The volume that the points dominate below the reference.
double volume_of(std::vector<Losses> points, const Losses& reference);

// `size` of the points, the next each time that adds most to the volume; at most 1 - 1/e worse than the best ones
// (Guerreiro et al., "Greedy Hypervolume Subset Selection in Low Dimensions", 2016). The reference is a tenth behind
// the worst of them, as in Optuna.
std::vector<std::size_t> largest_subset(const std::vector<Losses>& points, std::size_t size);

// The best `size` by front, and of the last front by volume: their places, in order.
std::vector<std::size_t> best_by_volume(const std::vector<Losses>& losses, std::size_t size);

}  // namespace manta::tune::detail
