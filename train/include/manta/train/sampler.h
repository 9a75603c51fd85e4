// Which samples of a data set each rank takes at each step.
#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include <manta/train/state.h>

namespace manta::train {

/// Ranks and order of a DistributedSampler.
struct DistributedSamplerOptions {
  std::int64_t num_replicas = 1;  ///< number of ranks
  std::int64_t rank = 0;          ///< this rank, from 0
  bool shuffle = true;            ///< a new order in each epoch; false: 0, 1, 2 and so on
  std::uint64_t seed = 0;         ///< the same on all ranks
  /// If the number of samples is no multiple of the number of ranks: false repeats a few from the epoch's start, true
  /// leaves a few out.
  bool drop_last = false;
};

/// Splits a data set among the ranks of a group, like PyTorch's DistributedSampler: in an epoch each sample is taken
/// once, and each rank takes equally many. It also makes the batches and keeps its position, so that training can
/// resume in the middle of an epoch.
///
/// The order of an epoch is torch::randperm with the seed (seed + epoch). It does not depend on the number of ranks or
/// on other generators. In a step the group takes the next num_replicas * batch_size samples of it; rank r takes the
/// r-th part. So all ranks together take the samples that one process with the whole batch would take.
///
///     DistributedSampler sampler(60'000, {.num_replicas = world_size, .rank = rank, .seed = 1});
///     for (; sampler.epoch() < 3; sampler.next_epoch()) {
///       while (std::optional<torch::Tensor> indices = sampler.next(64)) train(images.index_select(0, *indices));
///     }
///
/// A State saves and restores it exactly, as (epoch, samples that the group has taken), also for another number of
/// ranks. All ranks have the same state, so one rank saves it.
///
/// **Threading**: one thread. **Ownership**: a value. **Errors**: throws Error(invalid_argument) for invalid options.
class DistributedSampler {
 public:
  explicit DistributedSampler(std::int64_t size, DistributedSamplerOptions options = {});

  /// The rank's part of the next step: indices of at most batch_size samples, an int64 tensor of shape [n], with the
  /// same n on every rank; only the epoch's last step has fewer. Empty at the epoch's end. All ranks must pass the same
  /// batch_size.
  std::optional<torch::Tensor> next(std::int64_t batch_size);

  /// Moves to the start of the next epoch.
  void next_epoch() { start_epoch(epoch_ + 1); }
  /// Moves to the start of that epoch. In the current epoch it keeps its position, so that a resumed loop continues.
  void set_epoch(std::int64_t epoch);

  std::int64_t epoch() const { return epoch_; }
  /// Samples of this epoch that the whole group has taken, without repeated ones.
  std::int64_t taken() const { return taken_; }
  std::int64_t size() const { return size_; }
  /// Number of steps in a whole epoch.
  std::int64_t steps(std::int64_t batch_size) const;

  StateDict state_dict() const;
  /// Throws Error(invalid_argument) if the saved size, seed or order differ.
  void load_state_dict(const StateDict& dict);

 private:
  void start_epoch(std::int64_t epoch);
  const torch::Tensor& order();

  std::int64_t size_;
  DistributedSamplerOptions options_;
  std::int64_t epoch_ = 0;
  std::int64_t taken_ = 0;
  torch::Tensor order_;  // of this epoch; undefined until first used
};

}  // namespace manta::train
