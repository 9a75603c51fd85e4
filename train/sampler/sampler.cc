// SAMPLE-1: an epoch's order depends on size, seed, shuffle and epoch alone.
// SAMPLE-2: in each step every rank takes equally many, and the group takes one block of the order.
#include <manta/train/sampler.h>

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <manta/error.h>

namespace manta::train {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::invalid_argument, "DistributedSampler: " + why);
}

std::int64_t number(const StateDict& dict, const std::string& name) {
  const auto at = dict.find(name);
  const auto* value = at == dict.end() ? nullptr : std::get_if<std::int64_t>(&at->second);
  if (value == nullptr) refuse("the saved state has no number '" + name + "'. Next: restore what a sampler saved.");
  return *value;
}

void check_same(const StateDict& dict, const std::string& name, std::int64_t here) {
  const std::int64_t saved = number(dict, name);
  if (saved != here) {
    refuse("the saved state has " + name + " " + std::to_string(saved) + ", this sampler " + std::to_string(here) +
           ". Next: make it with the " + name + " of the run to go on with, or start a new run.");
  }
}

}  // namespace

DistributedSampler::DistributedSampler(std::int64_t size, DistributedSamplerOptions options)
    : size_(size), options_(options) {
  if (size < 1)
    refuse("a data set of " + std::to_string(size) + " samples cannot be split. Next: see that it is there.");
  if (options.num_replicas < 1 || options.rank < 0 || options.rank >= options.num_replicas) {
    refuse("rank " + std::to_string(options.rank) + " of " + std::to_string(options.num_replicas) +
           " is none. Next: pass a rank from 0 to num_replicas - 1.");
  }
  if (options.drop_last && size < options.num_replicas) {
    refuse("drop_last leaves nothing of " + std::to_string(size) + " samples on " +
           std::to_string(options.num_replicas) + " ranks. Next: use fewer ranks, or drop_last = false.");
  }
}

std::optional<torch::Tensor> DistributedSampler::next(std::int64_t batch_size) {
  if (batch_size < 1) refuse("a batch of " + std::to_string(batch_size) + " samples is none. Next: pass 1 or more.");
  const std::int64_t ranks = options_.num_replicas;
  const std::int64_t left = size_ - taken_;
  const std::int64_t share = options_.drop_last ? left / ranks : (left + ranks - 1) / ranks;
  const std::int64_t count = std::min(batch_size, share);  // SAMPLE-2
  if (count == 0) return std::nullopt;
  const std::int64_t begin = taken_ + options_.rank * count;
  taken_ += std::min(count * ranks, left);
  if (begin + count <= size_) return order().slice(0, begin, begin + count).clone();
  return order().index_select(0, torch::arange(begin, begin + count).remainder_(size_));
}

std::int64_t DistributedSampler::steps(std::int64_t batch_size) const {
  if (batch_size < 1) refuse("a batch of " + std::to_string(batch_size) + " samples is none. Next: pass 1 or more.");
  const std::int64_t ranks = options_.num_replicas;
  const std::int64_t share = options_.drop_last ? size_ / ranks : (size_ + ranks - 1) / ranks;
  return (share + batch_size - 1) / batch_size;
}

void DistributedSampler::set_epoch(std::int64_t epoch) {
  if (epoch < 0) refuse("epoch " + std::to_string(epoch) + " is none. Next: count from 0.");
  if (epoch != epoch_) start_epoch(epoch);
}

void DistributedSampler::start_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  taken_ = 0;
  if (options_.shuffle) order_.reset();
}

const torch::Tensor& DistributedSampler::order() {
  if (!order_.defined()) {  // SAMPLE-1
    auto generator = at::make_generator<at::CPUGeneratorImpl>(options_.seed + static_cast<std::uint64_t>(epoch_));
    order_ = options_.shuffle ? torch::randperm(size_, generator, torch::kLong) : torch::arange(size_, torch::kLong);
  }
  return order_;
}

StateDict DistributedSampler::state_dict() const {
  return {{"epoch", epoch_},
          {"taken", taken_},
          {"size", size_},
          {"seed", static_cast<std::int64_t>(options_.seed)},
          {"shuffle", std::int64_t{options_.shuffle}}};
}

void DistributedSampler::load_state_dict(const StateDict& dict) {
  check_same(dict, "size", size_);
  check_same(dict, "seed", static_cast<std::int64_t>(options_.seed));
  check_same(dict, "shuffle", std::int64_t{options_.shuffle});
  const std::int64_t epoch = number(dict, "epoch");
  const std::int64_t taken = number(dict, "taken");
  if (epoch < 0 || taken < 0 || taken > size_) refuse("the saved state's place is outside of the data set.");
  start_epoch(epoch);
  taken_ = taken;
}

}  // namespace manta::train
