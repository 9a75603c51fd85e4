// Mean and variance of a stream of vectors, which can be merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace manta::rl {

/// As gymnasium.wrappers.utils.RunningMeanStd: per component, updated by whole batches (Chan's parallel algorithm),
/// with the variance over all samples (not over n - 1). It is a plain struct, so it is serialisable as it is.
///
/// Several rollout actors share statistics by what each has seen since the last time: an actor sends a
/// RunningStatistics::none(size) that it updated, the learner merges all of them into its own, and sends those back.
///
/// **Threading**: one thread at a time. **Ownership**: a value. **Errors**: Error(invalid_argument) for sizes that
/// differ.
struct RunningStatistics {
  std::vector<double> mean, variance;
  double count = 0;

  /// Nothing seen yet: merging it changes nothing.
  static RunningStatistics none(std::size_t size);
  /// Gymnasium's start: mean 0, variance 1, with the weight of 0.0001 samples.
  static RunningStatistics initial(std::size_t size);

  std::size_t size() const { return mean.size(); }
  /// rows: [n, size], n of any number.
  void update(std::span<const float> rows);
  void merge(const RunningStatistics& other);
};

}  // namespace manta::rl
