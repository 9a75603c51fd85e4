// Which samples of a data set each rank takes at each step.
#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include <manta/train/state.h>

namespace manta::train {

struct DistributedSamplerOptions {
  std::int64_t num_replicas = 1;  // ranks in the group
  std::int64_t rank = 0;          // this one, from 0
  bool shuffle = true;            // a new order each epoch; false: 0, 1, 2 and so on
  std::uint64_t seed = 0;         // the same on all ranks
  // Where the samples do not divide evenly by the ranks: false repeats a few from the epoch's start, true leaves a few
  // out.
  bool drop_last = false;
};

// Splits a data set among the ranks of a group, as PyTorch's DistributedSampler does: per epoch every sample once, and
// every rank equally many. It has each step's batch too, and knows its place, so that a training goes on in the middle
// of an epoch.
//
// An epoch has one order of all samples, torch::randperm with the seed (seed + epoch), whatever the number of ranks and
// the state of other generators. A step of the group takes the next num_replicas * batch_size samples of it, of which
// rank r has the r-th part. So what all ranks take together in a step is what one process with the whole batch would
// take.
//
//   DistributedSampler sampler(60'000, {.num_replicas = world_size, .rank = rank, .seed = 1});
//   for (; sampler.epoch() < 3; sampler.next_epoch()) {
//     while (std::optional<torch::Tensor> indices = sampler.next(64)) train(images.index_select(0, *indices));
//   }
//
// In a State it is saved and restored exactly, also for another number of ranks: (epoch, samples of it that the group
// has taken). All ranks save the same, so one rank's copy is enough.
//
// Threading: none of its own. Ownership: a value. Errors: Error(invalid_argument) for options that make no sense.
class DistributedSampler {
 public:
  explicit DistributedSampler(std::int64_t size, DistributedSamplerOptions options = {});

  // The rank's part of the next step: indices of at most batch_size samples (int64, one dimension), equally many on
  // every rank; only the epoch's last step has fewer. Empty at the epoch's end. All ranks must ask with the same
  // batch_size.
  std::optional<torch::Tensor> next(std::int64_t batch_size);

  // To the start of the next epoch.
  void next_epoch() { start_epoch(epoch_ + 1); }
  // To the start of that epoch; if it is the one under way, goes on in it (so that a loop over epochs resumes rightly).
  void set_epoch(std::int64_t epoch);

  std::int64_t epoch() const { return epoch_; }
  // Samples that the whole group has taken of this epoch, repeated ones left out.
  std::int64_t taken() const { return taken_; }
  std::int64_t size() const { return size_; }
  // Steps in a whole epoch.
  std::int64_t steps(std::int64_t batch_size) const;

  StateDict state_dict() const;
  // Throws Error(invalid_argument) where it was saved for another data set's size, seed or order.
  void load_state_dict(const StateDict& dict);

 private:
  void start_epoch(std::int64_t epoch);
  const torch::Tensor& order();

  std::int64_t size_;
  DistributedSamplerOptions options_;
  std::int64_t epoch_ = 0;
  std::int64_t taken_ = 0;
  torch::Tensor order_;  // of this epoch; undefined until it is needed
};

}  // namespace manta::train
