#include <manta/train/sampler.h>

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>
#include <torch/torch.h>

#include "tests/support/message.h"

namespace manta::train {
namespace {

using ::testing::HasSubstr;
using Indices = std::vector<std::int64_t>;

Indices values(const torch::Tensor& tensor) {
  return {tensor.data_ptr<std::int64_t>(), tensor.data_ptr<std::int64_t>() + tensor.numel()};
}

// The samplers of all ranks of a group.
struct Group {
  Group(std::int64_t size, DistributedSamplerOptions options) {
    for (options.rank = 0; options.rank < options.num_replicas; ++options.rank) ranks.emplace_back(size, options);
  }
  // One step of all ranks, joined by rank; empty at the epoch's end.
  Indices step(std::int64_t batch) {
    Indices joined;
    std::size_t of_first = 0;
    for (auto& rank : ranks) {
      const auto part = rank.next(batch);
      if (&rank == &ranks.front()) of_first = part ? static_cast<std::size_t>(part->numel()) : 0;
      EXPECT_EQ(part ? static_cast<std::size_t>(part->numel()) : 0, of_first);  // SAMPLE-2
      if (part)
        joined.insert(joined.end(), part->data_ptr<std::int64_t>(), part->data_ptr<std::int64_t>() + part->numel());
    }
    return joined;
  }
  Indices epoch(std::int64_t batch) {
    Indices all;
    for (Indices joined = step(batch); !joined.empty(); joined = step(batch))
      all.insert(all.end(), joined.begin(), joined.end());
    return all;
  }
  std::vector<DistributedSampler> ranks;
};

DistributedSamplerOptions any_options() {
  return {.num_replicas = *rc::gen::inRange(1, 9),
          .shuffle = *rc::gen::arbitrary<bool>(),
          .seed = static_cast<std::uint64_t>(*rc::gen::inRange(0, 5)),
          .drop_last = *rc::gen::arbitrary<bool>()};
}

RC_GTEST_PROP(DistributedSampler, EverySampleOncePerEpochUpToPadding, ()) {
  const auto options = any_options();
  const std::int64_t size = *rc::gen::inRange(options.drop_last ? options.num_replicas : 1, std::int64_t{200});
  const std::int64_t batch = *rc::gen::inRange(1, 40);
  Group group(size, options);
  for (int epoch = 0; epoch < 3; ++epoch) {
    Indices all = group.epoch(batch);
    const std::int64_t surplus = size % options.num_replicas;
    const std::int64_t expected =
        options.drop_last ? size - surplus : size + (surplus == 0 ? 0 : options.num_replicas - surplus);
    RC_ASSERT(static_cast<std::int64_t>(all.size()) == expected);
    std::sort(all.begin(), all.end());
    RC_ASSERT(all.front() >= 0 && all.back() < size);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    RC_ASSERT(static_cast<std::int64_t>(all.size()) == std::min(size, expected));
    for (auto& rank : group.ranks) rank.next_epoch();
  }
}

RC_GTEST_PROP(DistributedSampler, JoinedBatchIsThatOfOneProcess, ()) {
  const auto options = any_options();
  const std::int64_t size = *rc::gen::inRange(options.drop_last ? options.num_replicas : 1, std::int64_t{200});
  const std::int64_t batch = *rc::gen::inRange(1, 20);
  Group group(size, options);
  auto alone_options = options;
  alone_options.num_replicas = 1;
  DistributedSampler alone(size, alone_options);
  std::int64_t steps = 0;
  for (Indices joined = group.step(batch); !joined.empty(); joined = group.step(batch), ++steps) {
    const Indices whole = values(*alone.next(batch * options.num_replicas));
    const std::size_t common = std::min(joined.size(), whole.size());  // the last step alone repeats or drops some
    RC_ASSERT(Indices(joined.begin(), joined.begin() + common) == Indices(whole.begin(), whole.begin() + common));
    if (steps + 1 < group.ranks[0].steps(batch)) RC_ASSERT(joined.size() == whole.size());
  }
  RC_ASSERT(steps == group.ranks[0].steps(batch));
}

RC_GTEST_PROP(DistributedSampler, ResumedMidEpochAlsoByOtherRanksItGoesOn, ()) {
  auto options = any_options();
  options.drop_last = false;
  const std::int64_t size = *rc::gen::inRange(1, 200);
  const std::int64_t batch = *rc::gen::inRange(1, 20);
  Group group(size, options);
  for (auto& rank : group.ranks) rank.set_epoch(2);
  Indices seen;
  for (std::int64_t steps = *rc::gen::inRange(0, 12); steps > 0; --steps) {
    const Indices joined = group.step(batch);
    seen.insert(seen.end(), joined.begin(), joined.end());
  }
  const StateDict saved = group.ranks.back().state_dict();

  Group same(size, options);
  for (auto& rank : same.ranks) rank.load_state_dict(saved);
  for (auto& rank : same.ranks) rank.set_epoch(2);  // as a loop over epochs does: the epoch must not restart
  RC_ASSERT(same.epoch(batch) == Group(group).epoch(batch));

  options.num_replicas = *rc::gen::inRange(1, 9);
  Group other(size, options);
  for (auto& rank : other.ranks) rank.load_state_dict(saved);
  const Indices rest = other.epoch(batch);
  if (static_cast<std::int64_t>(seen.size()) < size) {  // before any padding: each sample comes once
    seen.insert(seen.end(), rest.begin(), rest.end());
    RC_ASSERT(static_cast<std::int64_t>(seen.size()) - size < options.num_replicas);
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    RC_ASSERT(static_cast<std::int64_t>(seen.size()) == size);
  }
}

TEST(DistributedSampler, IsIndependentOfTheGlobalGeneratorAndLeavesItAlone) {
  torch::manual_seed(1);
  const Indices first = Group(100, {.seed = 7}).epoch(10);
  const Indices numbers = values(torch::randint(1000, {8}));
  torch::manual_seed(1);
  EXPECT_EQ(values(torch::randint(1000, {8})), numbers);
  EXPECT_EQ(Group(100, {.seed = 7}).epoch(10), first);
  EXPECT_NE(Group(100, {.seed = 8}).epoch(10), first);
}

// torch.randperm(10, generator=torch.Generator().manual_seed(3)), which PyTorch's DistributedSampler uses for seed 1
// and epoch 2.
TEST(DistributedSampler, HasPyTorchsOrder) {
  torch::Generator generator = at::detail::createCPUGenerator();
  generator.set_current_seed(3);
  DistributedSampler sampler(10, {.seed = 1});
  sampler.set_epoch(2);
  EXPECT_EQ(values(*sampler.next(10)), values(torch::randperm(10, generator, torch::kLong)));
}

TEST(DistributedSampler, RefusesWhatMakesNoSense) {
  EXPECT_THAT(message_of([] { DistributedSampler(0); }), HasSubstr("0 samples cannot be split"));
  EXPECT_THAT(message_of([] { DistributedSampler(5, {.num_replicas = 2, .rank = 2}); }),
              HasSubstr("rank 2 of 2 is none"));
  EXPECT_THAT(message_of([] { DistributedSampler(1, {.num_replicas = 2, .drop_last = true}); }),
              HasSubstr("leaves nothing"));
  DistributedSampler sampler(5);
  EXPECT_THAT(message_of([&] { sampler.next(0); }), HasSubstr("batch of 0"));
  EXPECT_THAT(message_of([&] { sampler.load_state_dict(DistributedSampler(6).state_dict()); }),
              HasSubstr("has size 6, this sampler 5"));
  EXPECT_THAT(message_of([&] { sampler.load_state_dict({}); }), HasSubstr("no number 'size'"));
}

}  // namespace
}  // namespace manta::train
