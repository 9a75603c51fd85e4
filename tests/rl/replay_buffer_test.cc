#include <manta/rl/replay_buffer.h>

#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/error.h>

namespace {

namespace rl = manta::rl;

// Two environments that count: observation 100 * env + step, reward the step. Environment 1 truncates after every fifth
// step, environment 0 terminates after every seventh; the next episode goes on counting.
void fill(rl::ReplayBuffer& replay, int steps) {
  for (int t = 0; t < steps; ++t) {
    const float now = static_cast<float>(t);
    const std::vector<float> seen{now, 100 + now}, came_to{now + 0.5F, 100 + now + 0.5F}, rewards{now, now};
    const std::vector<std::int64_t> actions{t, 1000 + t};
    const std::vector<std::uint8_t> terminated{t % 7 == 6, 0}, truncated{0, t % 5 == 4};
    replay.add({seen, actions, rewards, came_to, terminated, truncated});
  }
}

TEST(ReplayBuffer, SamplesAreStepsAsTheyWere) {
  rl::ReplayBuffer replay({.capacity = 40, .num_envs = 2, .observation_size = 1, .gamma = 0.5});
  fill(replay, 33);
  EXPECT_EQ(replay.size(), 40);
  rl::Rng rng(1);
  const rl::Transitions batch = replay.sample(2000, rng);
  std::map<float, int> seen;
  for (int i = 0; i < 2000; ++i) {
    const float at = batch.observations[i][0].item<float>(), step = std::fmod(at, 100.0F);
    ++seen[at];
    EXPECT_GE(step, 13) << "older ones are forgotten";
    EXPECT_EQ(batch.rewards[i].item<float>(), step);
    EXPECT_EQ(batch.next_observations[i][0].item<float>(), at + 0.5F);
    EXPECT_EQ(batch.actions[i].item<std::int64_t>(), static_cast<std::int64_t>(at < 100 ? step : 1000 + step));
    const bool terminated = at < 100 && static_cast<int>(step) % 7 == 6;
    EXPECT_EQ(batch.discounts[i].item<float>(), terminated ? 0 : 0.5F) << "a truncated episode still has a future";
  }
  EXPECT_EQ(seen.size(), 40U);
  for (const auto& [at, count] : seen) EXPECT_NEAR(count, 50, 40) << at;
}

TEST(ReplayBuffer, SeveralStepsEndWithTheEpisodeOrTheNewestStep) {
  const double gamma = 0.9;
  rl::ReplayBuffer replay({.capacity = 60, .num_envs = 2, .observation_size = 1, .n_step = 3, .gamma = gamma});
  fill(replay, 50);
  rl::Rng rng(2);
  const rl::Transitions batch = replay.sample(1000, rng);
  for (int i = 0; i < 1000; ++i) {
    const float at = batch.observations[i][0].item<float>();
    const bool first = at < 100;
    const int start = static_cast<int>(std::fmod(at, 100.0F));
    double sum = 0, discount = 1;
    int last = start;
    for (int t = start; t < std::min(start + 3, 50); ++t) {
      last = t;
      sum += discount * t;
      discount *= gamma;
      if (first ? t % 7 == 6 : t % 5 == 4) break;
    }
    EXPECT_NEAR(batch.rewards[i].item<float>(), sum, 1e-4);
    EXPECT_EQ(batch.next_observations[i][0].item<float>(), static_cast<float>(first ? last : 100 + last) + 0.5F);
    EXPECT_NEAR(batch.discounts[i].item<float>(), first && last % 7 == 6 ? 0 : discount, 1e-6);
  }
}

TEST(ReplayBuffer, SaysWhatIsWrong) {
  rl::ReplayBuffer replay({.capacity = 4, .num_envs = 2, .observation_size = 1});
  rl::Rng rng(1);
  EXPECT_THROW((void)replay.sample(1, rng), manta::Error);
  const std::vector<float> one{1};
  const std::vector<std::int64_t> actions{1};
  const std::vector<std::uint8_t> ends{0};
  EXPECT_THROW(replay.add({one, actions, one, one, ends, ends}), manta::Error);
  EXPECT_THROW(rl::ReplayBuffer({.capacity = 1, .num_envs = 2}), manta::Error);
}

}  // namespace
