#include <cmath>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/error.h>
#include <manta/rl/make_env.h>
#include <manta/rl/running_statistics.h>
#include <manta/rl/wrappers.h>

#include "tests/rl/collect.h"

namespace manta::rl {
namespace {

std::unique_ptr<VectorEnv> wrapped(std::string_view id, AutoresetMode mode) {
  auto env = make_env(id, 3, {.autoreset = mode, .max_episode_steps = 20});
  if (std::holds_alternative<Box>(env->action_space())) env = std::make_unique<ClipAction>(std::move(env));
  env = std::make_unique<NormalizeObservation>(std::move(env));
  return std::make_unique<NormalizeReward>(std::move(env));
}

TEST(RunningStatistics, AreThoseOfAllSamplesHoweverTheyCame) {
  Rng rng(1);
  std::vector<float> rows(2 * 1000);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<float>(i % 2 == 0 ? rng.normal() : 5 + 3 * rng.normal());
  auto whole = RunningStatistics::none(2), parts = RunningStatistics::none(2), other = RunningStatistics::none(2);
  whole.update(rows);
  parts.update(std::span(rows).first(2 * 10));
  other.update(std::span(rows).subspan(2 * 10));
  parts.merge(other);
  parts.merge(RunningStatistics::none(2));
  EXPECT_EQ(parts.count, 1000);
  for (std::size_t i = 0; i < 2; ++i) {
    double mean = 0, squares = 0;
    for (std::size_t row = 0; row < 1000; ++row) mean += rows[2 * row + i] / 1000;
    for (std::size_t row = 0; row < 1000; ++row) squares += std::pow(rows[2 * row + i] - mean, 2) / 1000;
    EXPECT_NEAR(whole.mean[i], mean, 1e-9);
    EXPECT_NEAR(whole.variance[i], squares, 1e-9);
    EXPECT_NEAR(parts.mean[i], mean, 1e-9);
    EXPECT_NEAR(parts.variance[i], squares, 1e-9);
  }
  EXPECT_THROW(whole.merge(RunningStatistics::none(3)), Error);
  EXPECT_THROW(whole.update(std::span(rows).first(3)), Error);
}

TEST(Wrappers, GoOnToTheBitFromASavedState) {
  for (const std::string_view id : {"CartPole-v1", "MountainCarContinuous-v0"}) {
    for (const auto mode : {AutoresetMode::next_step, AutoresetMode::same_step, AutoresetMode::disabled}) {
      const auto first = wrapped(id, mode), second = wrapped(id, mode);
      Buffers seen(*first);
      Rng rng(5);
      first->reset(1, seen.observations);
      for (int step = 0; step < 50; ++step) seen.step(*first, rng);
      second->load_state(first->save_state());
      Buffers again = seen;
      Rng same = rng;
      for (int step = 0; step < 50; ++step) {
        seen.step(*first, rng);
        again.step(*second, same);
        ASSERT_EQ(seen.seen(), again.seen()) << id << ", " << to_string(mode) << ", step " << step;
      }
      EXPECT_THROW(second->load_state(make_env(id, 3)->save_state()), Error);
    }
  }
}

// Two actors share what they have seen: the learner's statistics are those of one that saw everything.
TEST(NormalizeObservation, MergesWhatSeveralHaveSeen) {
  NormalizeObservation a(make_env("Pendulum-v1", 2)), b(make_env("Pendulum-v1", 2));
  auto learner = RunningStatistics::initial(3), all = RunningStatistics::initial(3);
  Buffers a_seen(a), b_seen(b);
  auto plain = make_env("Pendulum-v1", 2);
  Buffers plain_seen(*plain);
  a.reset(1, a_seen.observations);
  b.reset(2, b_seen.observations);
  for (const std::uint64_t seed : {1, 2}) {
    Rng rng(seed);
    plain->reset(seed, plain_seen.observations);
    all.update(plain_seen.observations);
    for (int step = 0; step < 60; ++step) {
      plain_seen.step(*plain, rng);
      all.update(plain_seen.observations);
    }
  }
  Rng a_rng(1), b_rng(2);
  for (int round = 0; round < 3; ++round) {
    for (int step = 0; step < 20; ++step) a_seen.step(a, a_rng), b_seen.step(b, b_rng);
    learner.merge(a.take_seen());
    learner.merge(b.take_seen());
    a.set_statistics(learner);
    b.set_statistics(learner);
  }
  EXPECT_NEAR(learner.count, all.count, 1e-9);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(learner.mean[i], all.mean[i], 1e-9);
    EXPECT_NEAR(learner.variance[i], all.variance[i], 1e-9);
  }
  a.set_update(false);
  a_seen.step(a, a_rng);
  EXPECT_EQ(a.statistics().count, learner.count);
  EXPECT_EQ(a.take_seen().count, 0);
  EXPECT_THROW(a.set_statistics(RunningStatistics::initial(2)), Error);
}

TEST(ClipAction, BoundsActionsAndOnlyThose) {
  ClipAction clipped(make_env("Pendulum-v1", 2));
  const auto plain = make_env("Pendulum-v1", 2);
  Buffers seen(clipped), expected(*plain);
  clipped.reset(1, seen.observations);
  plain->reset(1, expected.observations);
  const std::vector<float> far{-9, 1.5}, bounded{-2, 1.5};
  clipped.step(std::span<const float>(far), seen.out());
  plain->step(std::span<const float>(bounded), expected.out());
  EXPECT_EQ(seen.seen(), expected.seen());
  EXPECT_TRUE(std::isinf(std::get<Box>(clipped.action_space()).high[0]));
  EXPECT_THROW(ClipAction(make_env("CartPole-v1", 1)), Error);
  EXPECT_THROW(NormalizeReward(make_env("CartPole-v1", 1), {.gamma = 1.5}), Error);
  EXPECT_THROW(NormalizeObservation(make_env("CartPole-v1", 1), {.epsilon = 0}), Error);
  EXPECT_THROW(NormalizeObservation(nullptr), Error);
}

}  // namespace
}  // namespace manta::rl
